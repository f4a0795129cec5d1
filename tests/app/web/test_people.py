"""Signing in with a password, joining by a link, and what roles see; requests that come too quickly."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path

import httpx
import pytest
from argon2.exceptions import VerificationError

from app.api.deps import FORM_HEADER, SESSION_COOKIE
from app.teams import passwords
from app.teams.limits import RateLimiter, network_of
from app.teams.scopes import Role, Scope
from app.teams.sessions import form_token
from tests.support.api import Api, problem
from tests.support.browsing import get, post
from tests.support.dashboard import BUDGET, Dashboard, Team
from tests.support.hashing import STRONG
from tests.support.matrix import PASSWORD, joined
from tests.support.people import person

EMAIL = "ann@example.org"


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Dashboard]:
    board = Dashboard(tmp_path)
    yield board
    board.close()


def invited(board: Dashboard, team: Team, role: Role = Role.MEMBER) -> str:
    return board.services.invitations.invite(team.id, EMAIL, role).path


def cookie_of(answer: httpx.Response) -> str:
    found = re.search(rf"{SESSION_COOKIE}=([\w-]+)", answer.headers["set-cookie"])
    assert found
    return found[1]


def test_a_link_leads_into_the_team_once(board: Dashboard) -> None:
    team = board.team("the <b>team</b>")
    link = invited(board, team)
    for _ in range(2):  # programs that preview links look, too
        page = get(board, None, link)
        assert page.status_code == 200
        assert "the &lt;b&gt;team&lt;/b&gt;" in page.text
        assert EMAIL in page.text
    refused = post(board, None, link, {"password": "short", "name": "Ann"})
    assert refused.status_code == 422
    assert "12 to 200 characters" in refused.text
    answer = post(board, None, link, {"password": PASSWORD, "name": "Ann"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert get(board, replace(team, session=cookie_of(answer)), "/").status_code == 200
    assert get(board, None, link).status_code == 404
    assert post(board, None, link, {"password": PASSWORD}).status_code == 404
    assert get(board, None, "/join/guess").status_code == 404


def test_another_site_can_not_follow_a_link(board: Dashboard) -> None:
    team = board.team()
    answer = post(board, None, invited(board, team), {"password": PASSWORD}, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert board.services.members.all(team.id) == []


def test_signing_in_with_a_password_gives_a_new_session_and_ends_the_old_one(board: Dashboard) -> None:
    team = board.team()
    joined(board, team.id, Role.MEMBER, EMAIL)
    answer = post(board, team, "/sign-in", {"email": f" {EMAIL.upper()}", "password": PASSWORD, "next": "/uploads"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/uploads")
    assert cookie_of(answer) != team.session
    assert get(board, replace(team, session=cookie_of(answer)), "/uploads").status_code == 200
    assert get(board, team, "/").status_code == 303


@pytest.mark.parametrize(("email", "password"), [(EMAIL, "wrong"), ("nobody@example.org", PASSWORD), ("", "")])
def test_a_wrong_password_is_told_alike(board: Dashboard, email: str, password: str) -> None:
    joined(board, board.team().id, Role.MEMBER, EMAIL)
    answer = post(board, None, "/sign-in", {"email": email, "password": password})
    assert answer.status_code == 422
    assert "wrong e-mail address or password" in answer.text
    assert "set-cookie" not in answer.headers


def test_somebody_unknown_takes_as_long_as_a_wrong_password(board: Dashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "HASHER", STRONG)
    monkeypatch.setattr(passwords, "_nobodys", cache(passwords._nobodys.__wrapped__))
    joined(board, board.team().id, Role.MEMBER, EMAIL)
    checked: list[str] = []

    class Counted:
        @staticmethod
        def verify(kept: str, plain: str) -> None:
            checked.append(kept)
            raise VerificationError

    passwords._nobodys()
    monkeypatch.setattr(passwords, "HASHER", Counted)
    for email in (EMAIL, "nobody@example.org", "no address"):
        post(board, None, "/sign-in", {"email": email, "password": PASSWORD})
    assert len(checked) == 3
    parameters = {kept.rsplit("$", 2)[0] for kept in checked}
    assert parameters == {"$argon2id$v=19$m=19456,t=2,p=1"}


def test_attempts_to_sign_in_are_limited_by_person_and_by_place(tmp_path: Path) -> None:
    board = Dashboard(tmp_path, sign_in_attempts=3)
    joined(board, board.team().id, Role.MEMBER, EMAIL)
    for _ in range(3):
        assert post(board, None, "/sign-in", {"email": EMAIL, "password": "wrong"}).status_code == 422
    refused = post(board, None, "/sign-in", {"email": EMAIL, "password": PASSWORD})
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 900
    assert "set-cookie" not in refused.headers
    statuses = [post(board, None, "/sign-in", {"email": f"{n}@example.org"}).status_code for n in range(26)]
    assert statuses == [422] * 26
    assert post(board, None, "/sign-in", {"email": "another@example.org"}).status_code == 429
    board.close()


def test_many_who_sign_in_at_once_do_not_take_all_threads(board: Dashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    joined(board, board.team().id, Role.MEMBER, EMAIL)
    monkeypatch.setattr(passwords, "PATIENCE_SECONDS", 0.01)
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(passwords.AT_ONCE)
        assert post(board, None, "/sign-in", {"email": EMAIL, "password": PASSWORD}).status_code == 429
    assert post(board, None, "/sign-in", {"email": EMAIL, "password": PASSWORD}).status_code == 303


def test_behind_tls_the_cookie_goes_nowhere_else(tmp_path: Path) -> None:
    for address, is_secure in (("https://primesvt.example.org", True), ("http://primesvt.example.org", False)):
        board = Dashboard(tmp_path / str(is_secure), public_url=address)
        cookie = post(board, None, "/sign-in", {"key": board.team().secret}).headers["set-cookie"].lower()
        assert ("; secure" in cookie) is is_secure
        board.close()


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


def test_members_submit_and_do_not_administer(board: Dashboard) -> None:
    team = board.team()
    job = board.queued(team)
    member = person(board, team, Role.MEMBER)
    assert post(board, member, f"/jobs/{job.id}/cancel").status_code == 303
    api = Api(board, None)
    api.headers = {"Cookie": f"{SESSION_COOKIE}={member.session}"}
    assert api.get("/members").status_code == 200
    with problem(api.get("/keys"), 403, "insufficient_scope"):
        pass


def test_a_session_changes_things_by_the_api_only_with_its_form_token(board: Dashboard) -> None:
    team = board.team()
    job = board.queued(team)
    boss = person(board, team, Role.ADMIN)
    api = Api(board, None)
    api.headers = {"Cookie": f"{SESSION_COOKIE}={boss.session}"}
    assert api.get(f"/jobs/{job.id}").status_code == 200
    for token in ("", "guess", form_token("another session")):
        with problem(api.post(f"/jobs/{job.id}/cancel", headers={FORM_HEADER: token}), 401, "invalid_key") as told:
            assert "X-Form-Token" in told["detail"]
    assert api.post(f"/jobs/{job.id}/cancel", headers={FORM_HEADER: form_token(boss.session)}).status_code == 202
    [entry] = board.services.audit.search(team.id, action="job.cancel").items
    assert (entry.actor_kind, entry.actor_name, entry.ip) == ("user", "admin@example.org", "127.0.0.1")
    assert [one["name"] for one in api.get("/teams").json()] == ["default"]


def test_keys_and_people_do_not_hand_on_more_than_they_have(board: Dashboard) -> None:
    team = board.team()
    services = board.services
    narrow = services.keys.create(team.id, "narrow", {Scope.TEAM_ADMIN, Scope.TEAM_READ})
    api = Api(board, replace(team, secret=narrow.secret))
    refused: tuple[tuple[str, str, dict[str, object]], ...] = (
        ("post", "/keys", {"name": "a", "scopes": ["jobs:write"]}),
        ("post", "/invitations", {"email": EMAIL, "role": "admin"}),
        ("post", f"/keys/{services.keys.create(team.id, 'wide').id}/rotate", {}),
        ("patch", f"/members/{joined(board, team.id, Role.VIEWER)}", {"role": "admin"}),
    )
    for method, path, body in refused:
        with problem(api(method.upper(), "/api/v1" + path, json=body), 403, "insufficient_scope"):
            pass
    made = api.post("/keys", json={"name": "a", "scopes": ["team:read"]}).json()
    with problem(Api(board, replace(team, secret=made["secret"])).get("/jobs"), 403, "insufficient_scope"):
        pass
    assert made["secret"] not in str(api.get("/keys").json())


def test_an_invitation_by_the_api_leads_to_the_public_address(tmp_path: Path) -> None:
    board = Dashboard(tmp_path, public_url="https://primesvt.example.org/")
    api = Api(board, board.team())
    made = api.post("/invitations", json={"email": EMAIL, "role": "viewer"})
    assert made.headers["cache-control"] == "no-store"
    link = made.json()["link"]
    assert link.startswith("https://primesvt.example.org/join/")
    assert get(board, None, httpx.URL(link).path).status_code == 200
    assert link.rsplit("/", 1)[1] not in api.get("/invitations").text
    board.close()


# Requests that come too quickly


def test_every_response_tells_what_is_left_and_too_many_are_refused(tmp_path: Path) -> None:
    board = Dashboard(tmp_path, requests_per_minute=4, anonymous_requests_per_minute=2)
    board.services.limiter.clock = lambda: 1_000_000_040.0  # forty seconds of the minute are left
    team = board.team()
    api, nobody = Api(board, team), Api(board, None)
    for left in (3, 2, 1, 0):
        answer = api.get("/jobs")
        assert answer.headers["ratelimit-policy"] == '"caller";q=4;w=60'
        assert answer.headers["ratelimit"] == f'"caller";r={left};t=40'
    with problem(api.get("/jobs"), 429, "rate_limited"):
        pass
    assert api.get("/jobs").headers["retry-after"] == "40"
    assert Api(board, board.team("theirs")).get("/jobs").status_code == 200
    for status in (401, 401, 429):
        assert nobody.get("/jobs").status_code == status
    assert nobody.get("/plugins").status_code == 429
    assert nobody("GET", "/livez").status_code == 200
    assert "ratelimit" not in nobody("GET", "/livez").headers
    board.services.limiter.clock = lambda: 1_000_000_080.0
    assert api.get("/jobs").headers["ratelimit"] == '"caller";r=3;t=60'
    body = {"checkpoint_id": "upl_0", "dataset_id": "upl_0", "spec": {"budget": BUDGET}}
    with problem(api.post("/jobs", json=body), 404, "not_found"):  # refusals count and tell, too
        pass
    assert api.get("/jobs").headers["ratelimit"] == '"caller";r=1;t=60'
    board.close()


def test_neighbours_in_an_ipv6_network_are_counted_together() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1") != network_of("2001:db8:0:1::1")
    assert network_of("192.0.2.1") != network_of("192.0.2.2")
    assert network_of(None) == network_of("testclient") == "unknown"


def test_a_broker_that_does_not_answer_makes_each_process_count_alone(board: Dashboard) -> None:
    limiter = RateLimiter(
        board.settings.model_copy(update={"broker_url": "redis://127.0.0.1:1/0", "sign_in_attempts": 2})
    )
    assert [limiter.count(limiter.sign_ins, "me").is_exceeded for _ in range(3)] == [False, False, True]
