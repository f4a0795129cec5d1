"""Signing in with a password or an API key."""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path

import anyio
import httpx
import pytest
from argon2.exceptions import VerificationError

from app.api.cookies import DEVICE_COOKIE, SESSION_COOKIE
from app.teams import passwords
from app.teams.scopes import Role
from tests.support.browsing import codes, get, post
from tests.support.dashboard import Dashboard
from tests.support.hashing import STRONG
from tests.support.matrix import PASSWORD, joined

EMAIL = "ann@example.org"


def cookie_of(answer: httpx.Response) -> str:
    found = re.search(rf"{SESSION_COOKIE}=([\w-]+)", answer.headers["set-cookie"])
    assert found
    return found[1]


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
    assert codes(answer.text) == ["wrong_password"]
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


def tried(board: Dashboard, address: str, password: str, device: str = "") -> httpx.Response:
    """An attempt to sign in from an address, by a browser that has perhaps done so before."""

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=board.app, client=(address, 1))
        cookies = {DEVICE_COOKIE: device} if device else {}
        async with httpx.AsyncClient(transport=transport, base_url="http://server", cookies=cookies) as client:
            return await client.post("/sign-in", data={"email": EMAIL, "password": password})

    return anyio.run(ask)


def test_strangers_guesses_do_not_keep_the_owner_out(tmp_path: Path) -> None:
    board = Dashboard(tmp_path, sign_in_attempts=3)
    joined(board, board.team().id, Role.MEMBER, EMAIL)
    device = tried(board, "192.0.2.1", PASSWORD).cookies[DEVICE_COOKIE]
    assert [tried(board, "198.51.100.1", "guess").status_code for _ in range(4)] == [422, 422, 422, 429]
    assert tried(board, "192.0.2.2", PASSWORD).status_code == 303  # another network, which nobody guessed from
    guesses = [tried(board, f"198.51.100.{n}", "guess").status_code for n in range(2, 9)]
    assert guesses.count(422) == 1  # six of all that have not signed in before, however many networks they have
    assert tried(board, "192.0.2.3", PASSWORD).status_code == 429
    assert tried(board, "198.51.100.1", PASSWORD, device).status_code == 303
    statuses = [tried(board, "192.0.2.1", "mistyped", device).status_code for _ in range(3)]
    assert statuses == [422, 422, 429]  # who has the browser guesses no more than others
    assert tried(board, "192.0.2.9", PASSWORD, f"{device[:-1]}x").status_code == 429  # made up
    board.close()


def test_many_who_sign_in_at_once_do_not_take_all_threads(board: Dashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    joined(board, board.team().id, Role.MEMBER, EMAIL)
    monkeypatch.setattr(passwords, "PATIENCE_SECONDS", 0.01)
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(passwords.AT_ONCE)
        assert post(board, None, "/sign-in", {"email": EMAIL, "password": PASSWORD}).status_code == 429
    assert post(board, None, "/sign-in", {"email": EMAIL, "password": PASSWORD}).status_code == 303


def test_behind_tls_cookies_go_nowhere_else_and_come_from_nowhere_else(tmp_path: Path) -> None:
    for address, is_secure in (("https://primesvt.example.org", True), ("http://primesvt.example.org", False)):
        board = Dashboard(tmp_path / str(is_secure), public_url=address)
        team = board.team()
        joined(board, team.id, Role.MEMBER, EMAIL)
        answer = post(board, None, "/sign-in", {"email": EMAIL, "password": PASSWORD})
        cookies = answer.headers.get_list("set-cookie")
        prefix = "__Host-" if is_secure else ""
        assert {cookie.partition("=")[0] for cookie in cookies} == {prefix + SESSION_COOKIE, prefix + DEVICE_COOKIE}
        for cookie in cookies:
            assert ("; Secure" in cookie) is is_secure
            assert "; Path=/;" in cookie
            assert "Domain" not in cookie
        for name in (SESSION_COOKIE, f"__Host-{SESSION_COOKIE}"):
            page = get(board, None, "/", {"Cookie": f"{name}={team.session}"})
            assert page.status_code == (200 if name == prefix + SESSION_COOKIE else 303)
        board.close()


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
    assert codes(answer.text) == ["invalid_key"]
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


def test_a_password_that_many_use_is_replaced_before_anything_else(
    board: Dashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    team, common = board.team(), "password123456"
    with monkeypatch.context() as before:
        before.setattr(passwords, "is_guessable", lambda *_: False)
        link = board.services.invitations.invite(team.id, EMAIL, Role.MEMBER)
        board.services.invitations.use(link.token, common)
    answer = post(board, None, "/sign-in", {"email": EMAIL, "password": common})
    assert answer.headers["location"].startswith("/join/")
    assert "set-cookie" not in answer.headers
    page = post(board, None, answer.headers["location"], {"password": common})
    assert codes(page.text) == ["weak_password"]
    assert cookie_of(post(board, None, answer.headers["location"], {"password": PASSWORD}))
    assert codes(post(board, None, "/sign-in", {"email": EMAIL, "password": common}).text) == ["wrong_password"]
