"""The Python client's way to the team, through the real application."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from app.db import now
from app.teams.scopes import Role, Scope
from primesvt_client import Client, ServerError
from tests.support.api import Api
from tests.support.dashboard import Dashboard, Team
from tests.support.matrix import PASSWORD


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Dashboard]:
    found = Dashboard(tmp_path)
    yield found
    found.close()


def client(board: Dashboard, team: Team) -> Client:
    def through(request: httpx.Request) -> httpx.Response:
        answer = Api(board, None)(
            request.method, str(request.url), headers=dict(request.headers), content=request.content
        )
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    return Client("http://server", team.secret, transport=httpx.MockTransport(through))


def test_people_are_invited_changed_and_removed(board: Dashboard) -> None:
    with client(board, board.team("ours")) as asked:
        assert asked.team.change(name="theirs", retention_days=30).retention_days == 30
        assert (asked.team.get().name, asked.team.change(retention_days=None).retention_days) == ("theirs", None)
        for email in ("ann@example.org", "bob@example.org"):
            link = asked.team.invite(email, Role.ADMIN).link
            if email.startswith("ann"):
                board.services.invitations.use(link.rsplit("/", 1)[1], PASSWORD)
        [waiting] = asked.team.invitations()
        asked.team.withdraw(waiting.id)
        assert (waiting.email, asked.team.invitations()) == ("bob@example.org", [])
        [ann] = asked.team.members()
        with pytest.raises(ServerError) as refused:
            asked.team.remove(ann.user_id)
        assert refused.value.problem.code == "last_admin"
        with pytest.raises(ServerError):
            asked.team.change_role(ann.user_id, Role.VIEWER)
        assert asked.team.usage().unfinished_jobs == 0


def test_keys_are_made_rotated_and_revoked(board: Dashboard) -> None:
    team = board.team("ours")
    with client(board, team) as asked:
        made = asked.team.create_key("ci", {Scope.TEAM_READ}, now() + timedelta(days=1))
        with client(board, replace(team, secret=made.secret)) as narrow:
            assert narrow.team.get().name == "ours"
            with pytest.raises(ServerError) as refused:
                narrow.team.keys()
            assert refused.value.problem.code == "insufficient_scope"
        successor = asked.team.rotate_key(made.id, 1)
        asked.team.revoke_key(made.id)
        listed = asked.team.keys()
        found = {key.id: key for key in listed}
        assert (found[made.id].revoked_at is not None, found[successor.id].replaces) == (True, made.id)
        for number in range(201):  # more than a page
            board.services.keys.create(team.id, f"key {number}")
        assert len([*asked.team.audit("key.create")]) == 204
        assert [entry.subject for entry in asked.team.audit("key.revoke")] == [made.id]
