"""Rows that another version of the service wrote: every page and every answer of the API shows what it can."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import update

from app.catalog.models import UploadRow
from app.jobs.events import record_event
from app.jobs.models import JobRow
from tests.support.browsing import get
from tests.support.dashboard import Dashboard, Team

ODD: list[Any] = [
    None,
    {},
    {"new": {"deep": [1, 2]}},
    {"family": "spikformer", "memory_saving": 0.25, "step": "profile", "detail": "gone"},
    {"family": 1, "samples": [], "memory_saving": "x", "step": "new", "facts": [], "code": 5, "detail": {}},
    {"samples": 3, "classes": 2, "step": "search", "done": None, "total": "x", "facts": {"group": 1, "rate": "x"}},
    {"step": "confirm", "facts": {"memory_saving": 0.1, "accuracy_drop": 0.1}, "baseline_accuracy": 0.9},
]


def answers(board: Dashboard, team: Team, jobs: list[str]) -> Iterator[tuple[str, int]]:
    pages = ["/", "/uploads", "/results", "/new", *(f"/jobs/{job}{part}" for job in jobs for part in ("", "/live"))]
    operations = ["jobs", "uploads", *(f"jobs/{job}" for job in jobs)]
    for address in (*pages, *(f"/api/v1/{operation}" for operation in operations)):
        yield address, get(board, team, address, {"Authorization": f"Bearer {team.secret}"}).status_code


@pytest.mark.parametrize("odd", ODD)
def test_odd_rows_break_no_page_and_no_answer(board: Dashboard, odd: Any) -> None:
    team = board.team()
    done, failed = board.succeeded(team), board.failed(team, "", "x", "y")
    running, _ = board.running(team, reports=2)
    board.refused(team, "refused.pth", "x", "y")
    with board.services.database.session() as session:
        session.execute(update(JobRow).values(progress=odd, summary=odd, problem=odd))
        session.execute(update(UploadRow).values(facts=odd, problem=odd))
        record_event(session, running.id, "progress", odd or {})
    board.services.jobs.get(team.id, running.id)
    for address, status in answers(board, team, [done.id, failed.id, running.id]):
        assert status == 200, address
