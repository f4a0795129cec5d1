"""The audit log: who did what, to what, when and from where. It is only ever added to, which the database enforces."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import Database, now
from app.ids import new_id
from app.paging import LARGEST_PAGE, Page, decode, page
from app.teams.actors import actor
from app.teams.models import AuditRow
from primesvt_core.report.csv_tables import csv_line

AUDIT_PREFIX = "aud"
COLUMNS = ("id", "at", "actor_kind", "actor_id", "actor_name", "action", "subject", "ip", "request_id", "details")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Something that somebody did.

    Attributes:
        actor_kind: ``user``, ``key``, ``operator`` (on the command line) or ``system``.
        action: ``noun.verb``; stable.
        subject: id of what it was done to.
    """

    id: str
    at: datetime
    actor_kind: str
    actor_id: str | None
    actor_name: str
    action: str
    subject: str
    ip: str | None
    request_id: str | None
    details: dict[str, Any]


def record(session: Session, team: str | None, action: str, subject: str, **details: Any) -> None:
    """Record what is being done, in the transaction that does it; ``team`` is None for what concerns none."""
    who = actor()
    row = AuditRow(
        id=new_id(AUDIT_PREFIX), team_id=team, at=now(), actor_kind=who.kind.value, actor_id=who.id,
        actor_name=who.name, action=action, subject=subject, ip=who.ip, request_id=who.request_id, details=details,
    )  # fmt: skip
    session.add(row)


class AuditLog:
    """A team's audit log, for reading."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def search(self, team: str, cursor: str | None = None, limit: int = 50, action: str = "") -> Page[Entry]:
        """What was done, newest first."""
        rows = select(AuditRow).where(AuditRow.team_id == team).order_by(AuditRow.id.desc()).limit(limit + 1)
        if action:
            rows = rows.where(AuditRow.action == action)
        if cursor is not None:
            rows = rows.where(AuditRow.id < decode(cursor, AUDIT_PREFIX))
        with self.database.session() as session:
            entries = [_entry(row) for row in session.scalars(rows)]
        return page(entries, limit, [entry.id for entry in entries])

    def as_csv(self, team: str) -> Iterator[str]:
        """All of it, newest first, as a table that spreadsheets take for nothing but text; a page at a time."""
        yield csv_line(COLUMNS)
        cursor: str | None = None
        while True:
            found = self.search(team, cursor, LARGEST_PAGE)
            yield "".join(csv_line([_text(getattr(entry, name)) for name in COLUMNS]) for entry in found.items)
            cursor = found.next_cursor
            if cursor is None:
                return


def _entry(row: AuditRow) -> Entry:
    return Entry(**{name: getattr(row, name) for name in COLUMNS})


def _text(value: object) -> str:
    if isinstance(value, dict):
        return json.dumps(value, sort_keys=True)
    if isinstance(value, datetime):
        return value.isoformat()
    return "" if value is None else str(value)
