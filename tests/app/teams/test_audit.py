"""What the audit log promises, on every database."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from sqlalchemy import func, select

from app.errors import (
    DomainError,
)
from app.teams import audit
from app.teams.models import AuditRow
from app.teams.scopes import Role
from tests.support.access import Access


def test_what_fails_is_not_written_down(access: Access) -> None:
    before = access.actions()
    for ask in (
        lambda: access.members.remove(access.team, "usr_none"),
        lambda: access.keys.revoke(access.team, "key_none"),
        lambda: access.invitations.invite(access.team, "no address", Role.VIEWER),
    ):
        with pytest.raises(DomainError):
            ask()
    assert access.actions() == before


def test_the_audit_log_is_read_a_page_at_a_time(access: Access) -> None:
    for number in range(5):
        access.keys.create(access.team, f"key {number}")
    page = access.log.search(access.team, limit=3)
    rest = access.log.search(access.team, page.next_cursor, 50)
    found = [*page.items, *rest.items]
    assert [entry.details.get("name") for entry in found[:5]] == [f"key {number}" for number in (4, 3, 2, 1, 0)]
    assert rest.next_cursor is None
    assert {entry.action for entry in access.log.search(access.team, action="team.create").items} == {"team.create"}


def test_no_cell_of_the_exported_log_is_a_formula(access: Access, tmp_path: Path) -> None:
    hostile = ('=cmd|"/c calc"!A1', "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", 'a,"b"\nc')
    for name in hostile:
        with access.database.session() as session:
            audit.record(session, access.team, "test.note", name)
    path = tmp_path / "audit.csv"
    path.write_text("".join(access.log.as_csv(access.team)), newline="")
    with path.open(newline="") as file:
        rows = [*csv.DictReader(file)]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows for cell in row.values())
    subjects = [row["subject"].removeprefix("'") for row in rows if row["action"] == "test.note"]
    assert subjects == [*reversed(hostile)]
    with access.database.session() as session:
        assert len(rows) == session.scalar(select(func.count()).where(AuditRow.team_id == access.team))
