from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anyio
import httpx
import pytest

from app.api.deps import SESSION_COOKIE
from app.catalog.states import UploadKind
from app.jobs.states import JobState
from tests.support.browsing import browser, get, post
from tests.support.dashboard import Dashboard

HOSTILE = '<img src=x onerror="alert(1)">&</script><script>alert(2)</script>'


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Dashboard]:
    board = Dashboard(tmp_path)
    yield board
    board.close()


PAGES = ("/", "/new", "/uploads", "/jobs/job_none", "/jobs/job_none/live", "/new?like=job_none")


@pytest.mark.parametrize("address", PAGES)
def test_who_is_not_signed_in_is_led_to_the_sign_in_and_back(board: Dashboard, address: str) -> None:
    answer = get(board, None, address)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in")
    if address != "/":
        assert httpx.URL(answer.headers["location"]).params["next"] == address


def test_signing_in_with_a_key_gives_a_guarded_cookie_and_goes_where_one_was_going(board: Dashboard) -> None:
    team = board.team()
    answer = post(board, None, "/sign-in", {"key": team.secret, "next": "/jobs/x?sort=name"})
    cookie = answer.headers["set-cookie"].lower()
    assert answer.status_code == 303
    assert answer.headers["location"] == "/jobs/x?sort=name"
    assert cookie.startswith(SESSION_COOKIE)
    assert all(part in cookie for part in ("httponly", "samesite=lax", "max-age=43200"))
    assert team.secret.lower() not in cookie


@pytest.mark.parametrize("address", ["https://evil.example", "//evil.example", "/\\evil.example", "/\n/evil", "evil"])
def test_signing_in_never_leads_away(board: Dashboard, address: str) -> None:
    answer = post(board, None, "/sign-in", {"key": board.team().secret, "next": address})
    assert answer.headers["location"] == "/"


def test_a_wrong_key_is_told_and_not_echoed(board: Dashboard) -> None:
    board.team()
    answer = post(board, None, "/sign-in", {"key": "psvt_guess"})
    assert answer.status_code == 422
    assert "No such key" in answer.text
    assert "psvt_guess" not in answer.text
    assert "set-cookie" not in answer.headers


def test_another_site_can_neither_sign_in_nor_send_a_form(board: Dashboard) -> None:
    team = board.team()
    foreign = {"Origin": "https://evil.example"}
    assert post(board, None, "/sign-in", {"key": team.secret}, headers=foreign).status_code == 403
    assert post(board, team, "/sign-out", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_signing_out_ends_the_session_in_the_browser(board: Dashboard) -> None:
    answer = post(board, board.team(), "/sign-out")
    assert answer.headers["location"] == "/sign-in"
    assert 'primesvt_session=""' in answer.headers["set-cookie"]


def test_signing_out_ends_the_session_wherever_its_cookie_is(board: Dashboard) -> None:
    team = board.team()
    assert get(board, team, "/").status_code == 200
    post(board, team, "/sign-out")
    assert get(board, team, "/").status_code == 303


@pytest.mark.parametrize("session", ["", "x", "KEY.99999999999.abc", "KEY.never.é", "KEY.é.é", "a.b.c.d", "é"])
def test_a_made_up_session_opens_nothing(board: Dashboard, session: str) -> None:
    key = board.services.keys.authenticate(board.team().secret).key_id or ""
    cookie = f"{SESSION_COOKIE}={session.replace('KEY', key)}".encode()

    async def ask() -> httpx.Response:
        async with browser(board) as client:
            return await client.get("/", headers=[(b"Cookie", cookie)])

    assert anyio.run(ask).status_code == 303


def test_a_revoked_key_ends_its_sessions(board: Dashboard) -> None:
    team = board.team()
    key = board.services.keys.authenticate(team.secret)
    board.services.keys.revoke(team.id, key.key_id or "")
    assert get(board, team, "/").status_code == 303


def test_pages_forbid_inline_scripts_frames_and_caches(board: Dashboard) -> None:
    team = board.team()
    job = board.succeeded(team)
    for address in ("/", f"/jobs/{job.id}", "/new", "/uploads", "/sign-in", "/nothing"):
        answer = get(board, team, address)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
        assert " style=" not in answer.text
        assert " onclick=" not in answer.text
        assert "//cdn" not in answer.text


FORMS = ("cancel", "retry", "delete")


@pytest.mark.parametrize("form", FORMS)
def test_forms_without_the_token_change_nothing(board: Dashboard, form: str) -> None:
    team = board.team()
    job = board.queued(team)
    for fields in ({}, {"form_token": "guess"}, {"form_token": "é"}):
        assert post(board, team, f"/jobs/{job.id}/{form}", fields, is_ours=False).status_code == 403
    assert post(board, None, f"/jobs/{job.id}/{form}").status_code == 303
    assert board.services.jobs.get(team.id, job.id).state is JobState.QUEUED


def test_another_teams_things_are_not_there(board: Dashboard) -> None:
    owner, stranger = board.team("a"), board.team("b")
    job = board.queued(owner)
    upload = board.ready(owner, UploadKind.CHECKPOINT, "mine.pth")
    for address in (f"/jobs/{job.id}", f"/jobs/{job.id}/live", f"/new?like={job.id}"):
        assert get(board, stranger, address).status_code == 404
    for address in (*(f"/jobs/{job.id}/{form}" for form in FORMS), f"/uploads/{upload.id}/delete"):
        assert post(board, stranger, address).status_code == 404
    for address in ("/", "/uploads", "/new"):
        text = get(board, stranger, address).text
        assert job.name not in text
        assert "mine.pth" not in text
    refused = post(
        board, stranger, "/new", {"checkpoint_id": upload.id, "dataset_id": upload.id, "max_accuracy_drop": "3"}
    )
    assert refused.status_code == 422
    assert "there is no upload" in refused.text
