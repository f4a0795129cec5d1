"""Turns between teams: which teams wait, found without a look at all that waits, and one claim a team at a time.

A claim looks for the team whose turn it is and then takes the first of that team's. Two claims at the same moment find
the same team; without a lock both would serve it, and another team would wait for a turn more.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import IntEnum
from typing import Any, TypeVar

from sqlalchemy import CTE, ColumnElement, func, literal_column, select
from sqlalchemy.orm import Session

T, C = TypeVar("T"), TypeVar("C")

PAUSES = (0.0, 0.0, 0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.3)
"""Seconds before each further try of a claim that lost a race for every team that waits."""


class Kind(IntEnum):
    """What is claimed in turns; the first half of the key of an advisory lock of PostgreSQL."""

    JOBS = 0x7073_0001
    UPLOADS = 0x7073_0002


class LostRace(Exception):
    """Another claim serves the team at this moment, or has just served it."""


def is_state(column: Any, state: str) -> ColumnElement[bool]:
    """Whether a row is in the state, written out: a partial index serves no query that leaves its state open."""
    return column == literal_column(f"'{state}'")  # type: ignore[no-any-return]


def distinct(column: Any, condition: ColumnElement[bool], name: str) -> CTE:
    """The values of ``column`` where ``condition`` holds, as ``name.c.value``; each costs one look into an index.

    Needs an index that begins with the column, of the rows of the condition alone. ``SELECT DISTINCT`` would read all.
    """
    first = select(func.min(column).label("value")).where(condition).cte(name, recursive=True)
    following = select(func.min(column)).where(condition, column > first.c.value).scalar_subquery()
    return first.union_all(select(following).where(first.c.value.is_not(None)))


def lock_turn(session: Session, kind: Kind, team: str) -> None:
    """Until the transaction ends, no other claim serves the team. SQLite has one writer at a time anyway.

    Raises:
        LostRace: another claim serves it.
    """
    if session.get_bind().dialect.name != "postgresql":
        return
    if not session.scalar(select(func.pg_try_advisory_xact_lock(kind.value, func.hashtext(team)))):
        raise LostRace


def first_served(look: Callable[[], list[T]], serve: Callable[[T], C | None]) -> C | None:
    """What ``serve`` makes of the first turn that can be served, or None if nothing can be claimed.

    Args:
        look: the turns of all teams that wait, the next one first.
        serve: claims for one turn; None: there was nothing any more. Raises `LostRace` to pass on to the next team.
    """
    for pause in PAUSES:
        time.sleep(pause)
        is_lost = False
        for found in look():
            try:
                claim = serve(found)
            except LostRace:
                is_lost = True
                continue
            if claim is not None:
                return claim
        if not is_lost:
            return None
    return None
