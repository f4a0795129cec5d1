"""Who is served next: fair between teams, by priority within a team.

Of the teams with jobs that wait, the one with the fewest running jobs is next; of equals, the one that was served
longest ago; within a team, the higher priority, then the older job. Servings are numbered, not timed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from app.jobs.models import JobRow
from app.jobs.states import HELD, JobState
from app.turns import distinct, is_state, served_seq_of

IS_WAITING = is_state(JobRow.state, JobState.QUEUED.value)


@dataclass(frozen=True)
class TeamQueue:
    """One team's part of the queue: jobs that run, jobs that wait, and the number of its last serving (0: none)."""

    running: int
    waiting: int
    served_seq: int


@dataclass(frozen=True)
class Turn:
    """A team with a job that is due, and how it stood when that was found out."""

    team: str
    running: int
    served_seq: int


def turns(session: Session, is_due: ColumnElement[bool]) -> list[Turn]:
    """The teams with jobs that are due, the next one first; costs a few looks into indexes a team."""
    teams = distinct(JobRow.team_id, IS_WAITING, "teams")
    first = first_due(teams.c.value, is_due).limit(1).correlate(teams).scalar_subquery()
    found = session.execute(select(teams.c.value, served_seq_of(JobRow, teams.c.value, teams), first)).all()
    running = dict(session.execute(_running()).all())
    with_jobs = [Turn(team, running.get(team, 0), served or 0) for team, served, job_id in found if job_id is not None]
    return sorted(with_jobs, key=lambda turn: (turn.running, turn.served_seq, turn.team))


def first_due(team: Any, is_due: ColumnElement[bool]) -> Select[str]:
    """The team's waiting jobs that are due, the next one first."""
    waiting = select(JobRow.id).where(JobRow.team_id == team, IS_WAITING, is_due)
    return waiting.order_by(JobRow.priority.desc(), JobRow.id)


def queues(session: Session) -> dict[str, TeamQueue]:
    """The teams that wait."""
    running: dict[str, int] = dict(session.execute(_running()).all())
    teams = distinct(JobRow.team_id, IS_WAITING, "teams")
    found = session.execute(select(teams.c.value, served_seq_of(JobRow, teams.c.value, teams))).all()
    served: dict[str, int | None] = {team: seq for team, seq in found if team is not None}
    waiting = select(JobRow.team_id, func.count()).where(IS_WAITING)
    rows = session.execute(waiting.group_by(JobRow.team_id))
    return {team: TeamQueue(running.get(team, 0), jobs, served.get(team) or 0) for team, jobs in rows}


def ranks(session: Session, team: str, job_ids: list[str]) -> dict[str, int]:
    """Of a team's waiting jobs, how many of the same team are served before each."""
    number = func.row_number().over(order_by=(JobRow.priority.desc(), JobRow.id)) - 1
    waiting = select(JobRow.id, number.label("rank")).where(JobRow.team_id == team)
    ranked = waiting.where(IS_WAITING).subquery()
    return dict(session.execute(select(ranked).where(ranked.c.id.in_(job_ids))).all())


def position(team: str, rank: int, waiting: Mapping[str, TeamQueue]) -> int:
    """Place in the queue, from 1, of the job that ``rank`` of its own team's come before.

    As if nothing that runs ended: a team's job of rank r is served when r + running jobs of it run. Among those that
    are served at the same number, the one with the smaller rank has waited longer to be served.
    """
    mine = waiting[team]
    level = mine.running + rank
    before = 0
    for other, queue in waiting.items():
        tie = level - queue.running  # the rank at which the other team's job is served at the same number
        goes_first = (tie, queue.served_seq, other) < (rank, mine.served_seq, team)
        before += min(queue.waiting, max(0, tie + (1 if goes_first else 0)))
    return before + 1


def _running() -> Select[str, int]:
    held = [state.value for state in HELD]
    jobs = func.count().label("jobs")
    return select(JobRow.team_id, jobs).where(JobRow.state.in_(held)).group_by(JobRow.team_id)


def places_of(session: Session, team: str, rows: Sequence[JobRow]) -> dict[str, int]:
    """Where in the queue those of the team's jobs are that wait."""
    waiting = [row.id for row in rows if row.state == JobState.QUEUED.value]
    if not waiting:
        return {}
    found = queues(session)
    return {job_id: position(team, rank, found) for job_id, rank in ranks(session, team, waiting).items()}
