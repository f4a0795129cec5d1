"""Which requests are answered: by the name they ask for, and by whom a proxy asks for."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError
from starlette.responses import Response

from app.api.allowed_hosts import AllowedHostsMiddleware, allowed_names
from app.settings import Settings
from tests.support.api import Api, problem
from tests.support.dashboard import Dashboard

FORWARDED = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    found = Dashboard(
        tmp_path_factory.mktemp("hosts"),
        allowed_hosts="svt.lan, Other.LAN.",
        public_url="https://svt.example.org:8443/x",
    )
    yield found
    found.close()


@pytest.mark.parametrize(
    "name",
    ["localhost", "localhost:8000", "LOCALHOST.", "127.0.0.1:80", "192.0.2.7", "[::1]:8000", "[2001:db8::1]", "svt.lan",
     "other.lan:1", "svt.example.org:8443", socket.gethostname()],
)  # fmt: skip
def test_its_own_names_and_addresses_are_answered(board: Dashboard, name: str) -> None:
    assert Api(board, None).get("/plugins", headers={"Host": name}).status_code == 200


@pytest.mark.parametrize(
    "name",
    ["evil.example", "localhost.evil.example", "svt.lan.evil.example", "evil.example:8000", "127.0.0.1.evil.example",
     "", "a b", "svt.lan@evil.example", "svt.lan/evil", "[::1", "svt.lan:99999999"],
)  # fmt: skip
def test_another_name_is_refused_whatever_is_asked_for(board: Dashboard, name: str) -> None:
    for path in ("/api/v1/plugins", "/sign-in", "/static/primesvt.css", "/nothing"):
        answer = Api(board, None)("GET", path, headers={"Host": name})
        with problem(answer, 421, "host_not_allowed"):
            assert answer.headers["x-content-type-options"] == "nosniff"


def test_probes_may_use_any_name(board: Dashboard) -> None:
    for path in ("/livez", "/readyz"):
        assert Api(board, None)("GET", path, headers={"Host": "10-0-0-7.pods.example"}).status_code == 200


def test_a_star_allows_every_name() -> None:
    assert AllowedHostsMiddleware(Response(), allowed_names(Settings(allowed_hosts="*"))).is_allowed("evil.example")
    assert not AllowedHostsMiddleware(Response(), allowed_names(Settings())).is_allowed("evil.example")


def cookie_of(board: Dashboard) -> str:
    """The cookie of somebody who signs in behind a proxy that speaks TLS."""
    team = board.team("behind a proxy")
    answer = Api(board, None)("POST", "/sign-in", data={"key": team.secret}, headers={**FORWARDED, "Host": "server"})
    return answer.headers["set-cookie"]


def actors(board: Dashboard) -> set[str | None]:
    """Addresses in the audit log of a team that makes a key through a proxy."""
    team = board.team("audited")
    made = Api(board, team).post("/keys", json={"name": "k", "scopes": ["jobs:read"]}, headers=FORWARDED)
    assert made.status_code == 201, made.text
    return {
        entry["ip"] for entry in Api(board, team).get("/audit", params={"action": "key.create"}).json()["items"]
    } - {None}


@pytest.mark.parametrize(("trusted", "believed"), [("", False), ("198.51.100.0/24", False), ("127.0.0.1", True)])
def test_forwarded_fields_are_believed_of_trusted_proxies_alone(tmp_path: Path, trusted: str, believed: bool) -> None:
    board = Dashboard(tmp_path / "data", trusted_proxies=trusted)
    assert ("secure" in cookie_of(board).lower()) is believed
    assert actors(board) == {"203.0.113.9" if believed else "127.0.0.1"}
    board.close()


@pytest.mark.parametrize("wrong", ["proxy.example", "10.0.0.0/33", "10.0.0.1, nothing"])
def test_proxies_are_named_by_address(wrong: str) -> None:
    with pytest.raises(ValidationError, match="trusted_proxies"):
        Settings(trusted_proxies=wrong)
