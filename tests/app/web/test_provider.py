"""Signing in through a real OpenID provider, which now and then lies."""

from __future__ import annotations

import base64
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from app.api.cookies import SESSION_COOKIE
from app.errors import ProviderUnreachable
from app.settings import Settings
from app.teams import oidc_transport
from app.teams.oidc import Provider as Believer
from app.teams.scopes import Role
from tests.support.browsing import get, post
from tests.support.dashboard import Dashboard, Team
from tests.support.matrix import PASSWORD, joined
from tests.support.provider import (
    CLIENT,
    SECRET,
    Claims,
    Provider,
    provider,
    signed_by_somebody_else,
    signed_with_the_client_secret,
    signed_with_the_public_key,
    unsigned,
)

COOKIE = "primesvt_provider"


@pytest.fixture
def idp() -> Iterator[Provider]:
    with provider() as found:
        yield found


@pytest.fixture
def board(tmp_path: Path, idp: Provider) -> Iterator[Dashboard]:
    asked = {"oidc_issuer": idp.issuer, "oidc_client_id": CLIENT, "oidc_client_secret": SECRET}
    board = Dashboard(tmp_path, **asked, oidc_name="Example <ID>")
    yield board
    board.close()


@pytest.fixture
def team(board: Dashboard) -> Team:
    return board.team()


def cookie(answer: httpx.Response, name: str) -> str:
    found = [re.search(rf"^{name}=([\w-]+)", line) for line in answer.headers.get_list("set-cookie")]
    return next((match[1] for match in found if match), "")


class Browser:
    """Goes to the provider and comes back."""

    def __init__(self, board: Dashboard, idp: Provider) -> None:
        self.board, self.idp = board, idp

    def begin(self, next_page: str = "/uploads", more: str = "") -> tuple[str, str]:
        """The address that the provider sends the browser back to, and the cookie that it kept."""
        answer = get(self.board, None, f"/sign-in/provider?next={next_page}{more}")
        assert answer.status_code == 303
        assert "httponly" in answer.headers["set-cookie"].lower()
        address = urlsplit(answer.headers["location"])
        asked = {name: values[0] for name, values in parse_qs(address.query).items()}
        assert asked["redirect_uri"] == "http://server/sign-in/provider/callback"
        return self.idp.authorize(asked), cookie(answer, COOKIE)

    def come_back(self, address: str, kept: str) -> httpx.Response:
        parts = urlsplit(address)
        return get(self.board, None, f"{parts.path}?{parts.query}", {"Cookie": f"{COOKIE}={kept}"})

    def sign_in(self) -> httpx.Response:
        return self.come_back(*self.begin())


@pytest.fixture
def browser(board: Dashboard, idp: Provider) -> Browser:
    return Browser(board, idp)


def refused(answer: httpx.Response, shown: str) -> None:
    assert answer.status_code == 403
    assert shown in answer.text
    assert not cookie(answer, SESSION_COOKIE)
    assert not cookie(answer, COOKIE)


def test_who_is_invited_comes_in_as_what_they_were_invited_as(
    board: Dashboard, idp: Provider, team: Team, browser: Browser
) -> None:
    assert "Sign in with Example &lt;ID&gt;" in get(board, None, "/sign-in").text
    board.services.invitations.invite(team.id, idp.email, Role.VIEWER)
    answer = browser.sign_in()
    assert (answer.status_code, answer.headers["location"]) == (303, "/uploads")
    who = board.services.sessions.resume(cookie(answer, SESSION_COOKIE))
    assert (who.team_id, who.name, who.scopes) == (team.id, idp.email, Role.VIEWER.scopes)
    [member] = board.services.members.all(team.id)
    assert (member.name, member.role) == ("Ann", Role.VIEWER)
    idp.email = "ann.married@example.org"  # the subject is who they are
    assert browser.sign_in().status_code == 303
    assert len(board.services.members.all(team.id)) == 1


def test_who_is_not_invited_stays_out(board: Dashboard, team: Team, browser: Browser) -> None:
    refused(browser.sign_in(), 'data-code="not_a_member"')
    assert board.services.members.all(team.id) == []


def _with(**values: object) -> Callable[[Claims], Claims]:
    return lambda claims: {**claims, **values}


def _without(name: str) -> Callable[[Claims], Claims]:
    return lambda claims: {key: value for key, value in claims.items() if key != name}


LIES: dict[str, Callable[[Claims], Claims]] = {
    "another nonce": _with(nonce="guess"),
    "no nonce": _without("nonce"),
    "another audience": _with(aud="another service"),
    "no audience": _without("aud"),
    "several audiences, for another": _with(aud=[CLIENT, "another"], azp="another"),
    "another issuer": _with(iss="https://evil.example"),
    "expired": _with(exp=int(time.time()) - 120),
    "never expires": _without("exp"),
    "from the future": _with(iat=int(time.time()) + 3600),
    "nobody": _without("sub"),
}


@pytest.mark.parametrize("lie", LIES)
def test_tokens_that_are_not_to_be_believed_open_nothing(
    board: Dashboard, idp: Provider, team: Team, browser: Browser, lie: str
) -> None:
    board.services.invitations.invite(team.id, idp.email, Role.ADMIN)
    idp.change = LIES[lie]
    refused(browser.sign_in(), "token")
    assert board.services.members.all(team.id) == []
    idp.change = lambda claims: claims
    assert browser.sign_in().status_code == 303


FORGERIES = {
    "unsigned": unsigned,
    "by somebody else": signed_by_somebody_else,
    "with the public key as a secret": signed_with_the_public_key,
    "with the client's secret": signed_with_the_client_secret,
    "no token": lambda idp, claims: "",
    "no token at all": lambda idp, claims: "a.b.c",
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_forged_tokens_open_nothing(
    board: Dashboard, idp: Provider, team: Team, browser: Browser, forgery: str
) -> None:
    board.services.invitations.invite(team.id, idp.email, Role.ADMIN)
    idp.sign = FORGERIES[forgery]
    refused(browser.sign_in(), "not to be believed")
    assert board.services.members.all(team.id) == []


@pytest.mark.parametrize("verified", [False, None, "false", 1.5, "yes"])
def test_an_address_that_the_provider_has_not_verified_counts_for_nothing(
    board: Dashboard, idp: Provider, team: Team, browser: Browser, verified: object
) -> None:
    board.services.invitations.invite(team.id, idp.email, Role.ADMIN)
    idp.change = _with(email_verified=verified)
    refused(browser.sign_in(), "not verified")


def test_a_sign_in_that_was_not_begun_here_is_not_finished_here(
    board: Dashboard, idp: Provider, team: Team, browser: Browser
) -> None:
    board.services.invitations.invite(team.id, idp.email, Role.ADMIN)
    address, kept = browser.begin()
    state = parse_qs(urlsplit(address).query)["state"][0]
    refused(browser.come_back(address.replace(state, "guess"), kept), "begun in this browser")
    refused(browser.come_back(address, ""), "not begun in this browser")
    refused(browser.come_back(address, "e30"), "not begun in this browser")
    _, others = browser.begin()
    refused(browser.come_back(address, others), "begun in this browser")  # somebody else's code
    refused(browser.come_back(address + "x", kept), "begun in this browser")  # another issuer answers
    refused(browser.come_back(f"http://server/sign-in/provider/callback?state={state}&error=no", kept), "did not sign")
    assert idp.refused == []  # none of these was asked about
    assert browser.come_back(address, kept).status_code == 303
    refused(browser.come_back(address, kept), "refuses")  # a code is good once
    assert idp.refused == ["code"]


NO_ATTEMPTS = {
    "half of a surrogate pair": {**dict.fromkeys(("state", "nonce", "verifier", "next_page"), "x"), "state": "\ud800"},
    "a list": ["x"],
    "a number": 1,
    "nothing": {},
}


@pytest.mark.parametrize(
    "kept", [*(json.dumps(document) for document in NO_ATTEMPTS.values()), "[" * 20_000, "\0"],
    ids=[*NO_ATTEMPTS, "deep", "no JSON"],
)  # fmt: skip
def test_a_cookie_that_holds_no_sign_in_is_none(board: Dashboard, browser: Browser, kept: str) -> None:
    packed = base64.urlsafe_b64encode(kept.encode()).decode().rstrip("=")
    refused(browser.come_back("http://server/sign-in/provider/callback?state=x&code=x", packed), "not begun in this")


def test_a_stolen_code_is_of_no_use_without_the_verifier(
    board: Dashboard, idp: Provider, browser: Browser, team: Team
) -> None:
    board.services.invitations.invite(team.id, idp.email, Role.ADMIN)
    address, kept = browser.begin()
    for query in idp.codes.values():
        query["code_challenge"] = "another"
    refused(browser.come_back(address, kept), "refuses")
    assert idp.refused == ["verifier"]


def test_a_provider_may_change_its_keys(board: Dashboard, idp: Provider, team: Team, browser: Browser) -> None:
    board.services.invitations.invite(team.id, idp.email, Role.MEMBER)
    assert browser.sign_in().status_code == 303
    idp.rotate()
    assert browser.sign_in().status_code == 303


def test_a_proven_address_takes_the_account_from_whoever_made_it(
    board: Dashboard, idp: Provider, team: Team, browser: Browser
) -> None:
    user = joined(board, team.id, Role.MEMBER, idp.email)
    squatter = board.services.sessions.open(board.services.people.sign_in(idp.email, PASSWORD))
    answer = browser.sign_in()
    assert board.services.sessions.resume(cookie(answer, SESSION_COOKIE)).user_id == user
    assert post(board, None, "/sign-in", {"email": idp.email, "password": PASSWORD}).status_code == 422
    assert get(board, None, "/", {"Cookie": f"{SESSION_COOKIE}={squatter}"}).status_code == 303
    idp.subject = "another account of the provider"
    refused(browser.sign_in(), "belongs to another account")


def test_a_provider_without_tls_or_of_another_name_is_not_asked(board: Dashboard, idp: Provider) -> None:
    for issuer in ("http://idp.example.org", idp.issuer + "/", "ftp://x"):
        believer = Believer(board.settings.model_copy(update={"oidc_issuer": issuer}))
        with pytest.raises(ProviderUnreachable):
            believer.begin("http://server/back", "/")


@pytest.mark.parametrize("address", ["https://[", "https://", "http://127.0.0.1:99999999/", "http://[::1"])
def test_a_provider_whose_address_is_none_is_not_asked(board: Dashboard, idp: Provider, address: str) -> None:
    with pytest.raises(ProviderUnreachable):
        Believer(board.settings.model_copy(update={"oidc_issuer": address})).begin("http://server/back", "/")


def test_going_to_the_provider_is_counted_as_an_attempt_to_sign_in(tmp_path: Path, idp: Provider) -> None:
    board = Dashboard(tmp_path, oidc_issuer=idp.issuer, oidc_client_id=CLIENT, sign_in_attempts=1)
    statuses = [get(board, None, "/sign-in/provider").status_code for _ in range(11)]
    assert statuses == [303] * 10 + [429]
    board.close()


def believer(listening: socket.socket, clock: Callable[[], float] = time.monotonic) -> Believer:
    host, port = listening.getsockname()
    return Believer(Settings(oidc_issuer=f"http://{host}:{port}", oidc_client_id=CLIENT), clock)


def unreachable(believer: Believer, reason: str) -> None:
    with pytest.raises(ProviderUnreachable, match=reason):
        believer.begin("http://server/back", "/")


def test_a_provider_that_did_not_answer_is_left_alone_for_a_while() -> None:
    moment = 0.0
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))  # and does not listen
        asking = believer(deaf, lambda: moment)
        unreachable(asking, "does not answer")
        unreachable(asking, "a moment ago")
        deaf.listen()
        moment = oidc_transport.PAUSE_SECONDS
        with ThreadPoolExecutor(1) as threads:
            begun = threads.submit(unreachable, asking, "does not answer")
            deaf.accept()[0].close()  # it was asked again
            begun.result()


def test_few_wait_for_a_provider_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oidc_transport, "QUEUE_SECONDS", 0.0)
    monkeypatch.setattr(oidc_transport, "PATIENCE_SECONDS", 60.0)
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor(oidc_transport.MOST_AT_ONCE) as threads:
        asking = believer(silent)
        waiting = [threads.submit(unreachable, asking, "does not answer") for _ in range(oidc_transport.MOST_AT_ONCE)]
        calls = [silent.accept()[0] for _ in waiting]
        unreachable(asking, "many wait")
        for call in calls:
            call.close()
        for begun in waiting:
            begun.result()
        unreachable(asking, "a moment ago")


def test_without_a_provider_there_is_no_such_way_in(tmp_path: Path) -> None:
    board = Dashboard(tmp_path / "plain")
    assert "/sign-in/provider" not in get(board, None, "/sign-in").text
    for address in ("/sign-in/provider", "/sign-in/provider/callback"):
        assert get(board, None, address).status_code == 404
    board.close()


@pytest.mark.parametrize(("age", "is_proven"), [(0, True), (3600, False), (None, False)])
def test_only_a_sign_in_at_the_provider_just_now_proves_who_one_is(
    board: Dashboard, idp: Provider, team: Team, browser: Browser, age: float | None, is_proven: bool
) -> None:
    """A provider may sign people in from a session of its own, which whoever sits at the browser has, too."""
    board.services.invitations.invite(team.id, idp.email, Role.ADMIN)
    signed_in_at = {} if age is None else {"auth_time": int(time.time() - age)}
    idp.change = lambda claims: claims | signed_in_at
    answer = browser.come_back(*browser.begin("/team/keys", "&anew=true"))
    [asked] = idp.seen
    assert (asked["prompt"], asked["max_age"]) == ("login", "0")
    ann = replace(team, session=cookie(answer, SESSION_COOKIE))
    made = post(board, ann, "/team/keys", {"name": "a", "scopes": "jobs:read"}, headers={"Referer": "http://server/x"})
    assert made.status_code == (200 if is_proven else 303)
    assert "/sign-in/provider?anew=true" in get(board, ann, "/account/confirm?next=/team/keys").text
