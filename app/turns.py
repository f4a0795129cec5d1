"""Turns between teams: which teams wait, found without a look at all that waits, and one claim a team at a time.

A claim looks for the team whose turn it is and then takes the first of that team's. Two claims at the same moment find
the same team; without a lock both would serve it, and another team would wait for a turn more.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import IntEnum
from typing import Any, TypeVar

from sqlalchemy import CTE, ColumnElement, FromClause, ScalarSelect, func, literal_column, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType, TypeEngine

T = TypeVar("T")
C = TypeVar("C")

PAUSES = (0.0, 0.0, 0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.3)
"""Seconds before each further try of a claim that lost a race for every team that waits."""


class Kind(IntEnum):
    """What is claimed in turns; the first half of the key of an advisory lock of PostgreSQL."""

    JOBS = 0x7073_0001
    UPLOADS = 0x7073_0002


class LostRace(Exception):
    """Another claim serves the team at this moment, or has just served it."""


class _Likely(FunctionElement[bool]):
    """A condition that SQLite is to look for in a partial index, rather than in another index that has its column."""

    inherit_cache = True
    name = "likely"
    # Of a truth value SQLAlchemy would ask SQLite whether it is 1, which no index answers.
    type: TypeEngine[bool] = NullType()  # type: ignore[assignment]


@compiles(_Likely)
def _plain(element: _Likely, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(_Likely, "sqlite")
def _likely(element: _Likely, compiler: SQLCompiler, **options: Any) -> str:
    return f"likely({compiler.process(element.clauses, **options)})"


def is_state(column: Any, state: str) -> ColumnElement[bool]:
    """Whether a row is in the state, written out: a partial index serves no query that leaves its state open."""
    return _Likely(column == literal_column(f"'{state}'"))


def distinct(column: Any, condition: ColumnElement[bool], name: str) -> CTE:
    """The values of ``column`` where ``condition`` holds, as ``name.c.value``, and a NULL.

    Each costs one look into an index that begins with the column and has the rows of the condition alone; ``SELECT
    DISTINCT`` would read all of them.
    """
    smallest = select(column).where(condition).order_by(column).limit(1)
    first = select(smallest.scalar_subquery().label("value")).cte(name, recursive=True)
    following = smallest.where(column > first.c.value).scalar_subquery()
    return first.union_all(select(following).where(first.c.value.is_not(None)))


def served_seq_of(table: Any, team: Any, outer: FromClause | None = None) -> ScalarSelect[int | None]:
    """The number of a team's last serving among the rows of ``table``; ``outer`` is what ``team`` is a column of."""
    served = aliased(table)
    last = select(func.max(served.served_seq)).where(served.team_id == team)
    return (last if outer is None else last.correlate(outer)).scalar_subquery()


def next_served_seq(table: Any) -> ScalarSelect[int]:
    """The number of the serving that happens now."""
    return select(func.coalesce(func.max(aliased(table).served_seq), 0) + 1).scalar_subquery()


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
