"""Sessions of pages: access by scope, and protection of forms from other sites."""

from __future__ import annotations

import anyio
import httpx
import pytest

from app.api.cookies import SESSION_COOKIE
from app.catalog.states import UploadKind
from app.jobs.states import JobState
from app.teams.scopes import Role
from tests.support.browsing import attributes, browser, get, post
from tests.support.dashboard import Dashboard
from tests.support.people import person


def test_viewers_look_and_change_nothing(board: Dashboard) -> None:
    team = board.team()
    job, finished = board.queued(team), board.succeeded(team)
    viewer = person(board, team, Role.VIEWER)
    for address in ("/", f"/jobs/{finished.id}", "/uploads"):
        assert get(board, viewer, address).status_code == 200
    assert get(board, viewer, "/new").status_code == 403
    for address in (f"/jobs/{job.id}/cancel", f"/jobs/{finished.id}/delete", f"/uploads/{job.dataset_id}/delete"):
        assert post(board, viewer, address).status_code == 403
    assert board.services.jobs.get(team.id, job.id).state.value == "queued"


PAGES = ("/", "/new", "/uploads", "/jobs/job_none", "/jobs/job_none/live", "/new?like=job_none")


@pytest.mark.parametrize("address", PAGES)
def test_who_is_not_signed_in_is_led_to_the_sign_in_and_back(board: Dashboard, address: str) -> None:
    answer = get(board, None, address)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in")
    if address != "/":
        assert httpx.URL(answer.headers["location"]).params["next"] == address


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


FORMS = ("cancel", "retry", "retarget", "delete")


@pytest.mark.parametrize("form", FORMS)
def test_forms_without_the_token_change_nothing(board: Dashboard, form: str) -> None:
    team = board.team()
    job = board.queued(team)
    for fields in ({}, {"form_token": "guess"}, {"form_token": "é"}):
        assert post(board, team, f"/jobs/{job.id}/{form}", fields, is_ours=False).status_code == 403
    assert post(board, None, f"/jobs/{job.id}/{form}").status_code == 303
    assert board.services.jobs.get(team.id, job.id).state is JobState.QUEUED


def test_another_teams_things_are_not_there(board: Dashboard) -> None:
    owner, other_team = board.team("a"), board.team("b")
    job = board.queued(owner)
    upload = board.ready(owner, UploadKind.CHECKPOINT, "mine.pth")
    for address in (f"/jobs/{job.id}", f"/jobs/{job.id}/live", f"/new?like={job.id}"):
        assert get(board, other_team, address).status_code == 404
    for address in (*(f"/jobs/{job.id}/{form}" for form in FORMS), f"/uploads/{upload.id}/delete"):
        assert post(board, other_team, address).status_code == 404
    for address in ("/", "/uploads", "/new"):
        text = get(board, other_team, address).text
        assert job.name not in text
        assert "mine.pth" not in text
    refused = post(
        board, other_team, "/new", {"checkpoint_id": upload.id, "dataset_id": upload.id, "max_accuracy_drop": "3"}
    )
    assert refused.status_code == 422
    assert attributes(refused.text, "data-error") == [""]
    assert not board.services.jobs.search(other_team.id).items
