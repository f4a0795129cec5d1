"""The authorisation matrix, over every operation of the OpenAPI document and every kind of caller."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from app.db import now
from app.teams.scopes import ALL_SCOPES, Scope
from tests.support.api import Api, problem
from tests.support.dashboard import Dashboard, Team
from tests.support.matrix import MARK, MATRIX, Entry, World

METHODS = frozenset({"get", "head", "put", "post", "patch", "delete"})
UNSAFE = METHODS - {"get", "head"}
GUARDED = [operation for operation, entry in MATRIX.items() if not entry.is_public]
CHANGING = [operation for operation, entry in MATRIX.items() if entry.action]


def name(operation: tuple[str, str]) -> str:
    return " ".join(operation)


@dataclass(frozen=True)
class Site:
    """A service with a team, whose things others are after, and another team."""

    world: World
    other_team: Team

    def key(self, *scopes: Scope, **values: Any) -> Team:
        """Another key of the world's team."""
        made = self.world.board.services.keys.create(self.world.team.id, "a key", frozenset(scopes), **values)
        return replace(self.world.team, secret=made.secret)

    def ask(self, operation: tuple[str, str], caller: Team | None) -> httpx.Response:
        """Send what would be right, if only the caller were."""
        (method, path), entry = operation, MATRIX[operation]
        for parameter, value in entry.ids(self.world).items():
            path = path.replace(f"{{{parameter}}}", value)
        return Api(self.world.board, caller)(method.upper(), path, **entry.request(self.world))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    board = Dashboard(tmp_path_factory.mktemp("matrix"))
    yield Site(World(board, board.team("ours")), board.team("theirs"))
    board.close()


@pytest.fixture(scope="module")
def document(site: Site) -> dict[str, Any]:
    found: dict[str, Any] = site.world.board.app.openapi()["paths"]
    return found


def refused(operation: tuple[str, str], answer: httpx.Response, status: int, code: str, told: str = "") -> None:
    """The answer is that problem; to HEAD, which has no body, of that status."""
    if operation[0] == "head":
        assert (answer.status_code, answer.content) == (status, b"")
        return
    with problem(answer, status, code) as refusal:
        assert told in refusal["detail"]


def test_the_matrix_has_every_operation(document: dict[str, Any]) -> None:
    found = {(method, path) for path, item in document.items() for method in item if method in METHODS}
    assert found == MATRIX.keys(), "add what is new to tests/support/matrix.py, with the scope that it must need"


def test_every_operation_declares_the_scope_of_the_matrix(document: dict[str, Any]) -> None:
    for (method, path), entry in MATRIX.items():
        wanted = None if entry.is_public else [{"HTTPBearer": [entry.scope.value] if entry.scope else []}]
        assert document[path][method].get("security") == wanted, (method, path)
        statuses = document[path][method]["responses"].keys()
        assert "429" in statuses
        assert entry.is_public or {"401", "403"} <= statuses


def test_what_changes_something_is_written_down_or_says_why_not() -> None:
    for (method, path), entry in MATRIX.items():
        assert bool(entry.action) != bool(entry.unlogged) or method not in UNSAFE, (method, path)


@pytest.mark.parametrize("operation", [o for o, entry in MATRIX.items() if entry.is_public], ids=name)
def test_public_operations_answer_everybody(site: Site, operation: tuple[str, str]) -> None:
    assert site.ask(operation, None).status_code in (200, 503)


BAD = ["none", "made up", "mistyped", "revoked", "expired"]


@pytest.fixture(scope="module")
def bad_callers(site: Site) -> dict[str, Team | None]:
    keys, ours = site.world.board.services.keys, site.world.team
    revoked = keys.create(ours.id, "revoked")
    keys.revoke(ours.id, revoked.id)
    expired = site.key(*ALL_SCOPES, expires_at=now() - timedelta(seconds=1))
    typo = ours.secret[:-1] + ("0" if ours.secret[-1] != "0" else "1")
    return {
        "none": None,
        "made up": replace(ours, secret="psvt_" + "x" * 43),
        "mistyped": replace(ours, secret=typo),
        "revoked": replace(ours, secret=revoked.secret),
        "expired": expired,
    }


@pytest.mark.parametrize("operation", GUARDED, ids=name)
def test_bad_callers_are_refused(site: Site, bad_callers: dict[str, Team | None], operation: tuple[str, str]) -> None:
    for kind in BAD:
        code = "expired_key" if kind == "expired" else "invalid_key"
        refused(operation, site.ask(operation, bad_callers[kind]), 401, code)


@pytest.mark.parametrize("operation", GUARDED, ids=name)
def test_every_other_scope_is_not_enough_and_the_one_alone_is(site: Site, operation: tuple[str, str]) -> None:
    scope = MATRIX[operation].scope
    if scope is not None:
        refused(operation, site.ask(operation, site.key(*(ALL_SCOPES - {scope}))), 403, "insufficient_scope", scope)
    answer = site.ask(operation, site.key(*([scope] if scope else [])))
    if MATRIX[operation].grants:
        with problem(answer, 403, "insufficient_scope"):
            pass
    else:
        assert answer.status_code < 300, answer.text


@pytest.mark.parametrize("operation", GUARDED, ids=name)
def test_another_team_finds_nothing(site: Site, operation: tuple[str, str]) -> None:
    entry = MATRIX[operation]
    before = everything(site)
    answer = site.ask(operation, site.other_team)
    if "{" in operation[1] or entry.names_things:
        refused(operation, answer, 404, "not_found")
    else:
        assert answer.status_code < 300, answer.text
        assert MARK not in answer.text
        assert site.world.team.id not in answer.text
    assert before <= everything(site)


def everything(site: Site) -> set[str]:
    """What the team has, and how it stands."""
    services, team = site.world.board.services, site.world.team.id
    jobs = [replace(job, queue_position=None) for job in services.jobs.search(team, limit=10_000).items]
    uploads = services.catalog.search(team, limit=10_000).items
    keys = [replace(key, last_used_at=None) for key in services.keys.all(team)]
    people = [*services.members.all(team), *services.invitations.all(team)]
    return {str(thing) for thing in [*jobs, *uploads, *keys, *people, services.teams.get(team)]}


@pytest.mark.parametrize("operation", CHANGING, ids=name)
def test_who_changed_what_from_where_is_written_down(site: Site, operation: tuple[str, str]) -> None:
    entry: Entry = MATRIX[operation]
    assert entry.action is not None
    caller = site.key(*ALL_SCOPES)
    key = site.world.board.services.keys.authenticate(caller.secret)
    answer = site.ask(operation, caller)
    assert answer.status_code < 300, answer.text
    [*_, made] = reversed(site.world.board.services.audit.search(key.team_id, action=entry.action).items)
    assert (made.actor_kind, made.actor_id, made.actor_name) == ("key", key.key_id, "a key")
    assert (made.ip, made.request_id) == ("127.0.0.1", answer.headers["x-request-id"])
