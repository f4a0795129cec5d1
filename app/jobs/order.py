"""Who is served next: fair between teams, by priority within a team.

Of the teams with jobs that wait, the one with the fewest running jobs is next; of equals, the one that was served
longest ago; within a team, the higher priority, then the older job. Servings are numbered, not timed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, aliased

from app.jobs.models import JobRow
from app.jobs.states import HELD, JobState


@dataclass(frozen=True)
class TeamQueue:
    """One team's part of the queue: jobs that run, jobs that wait, and the number of its last serving (0: none)."""

    running: int
    waiting: int
    served_seq: int


def in_order(waiting: Select[str]) -> Select[str]:
    """The query on waiting jobs, the next one first."""
    running, teams = _running().subquery(), _served_seqs().subquery()
    return (
        waiting.join(teams, teams.c.team_id == JobRow.team_id)
        .outerjoin(running, running.c.team_id == JobRow.team_id)
        .order_by(
            func.coalesce(running.c.jobs, 0), func.coalesce(teams.c.served_seq, 0), JobRow.team_id,
            JobRow.priority.desc(), JobRow.id,
        )
    )  # fmt: skip


def next_served_seq() -> Any:
    """The number of the serving that happens now."""
    taken = aliased(JobRow)
    return select(func.coalesce(func.max(taken.served_seq), 0) + 1).scalar_subquery()


def queues(session: Session) -> dict[str, TeamQueue]:
    """The teams that wait."""
    running: dict[str, int] = dict(session.execute(_running()).all())
    served: dict[str, int | None] = dict(session.execute(_served_seqs()).all())
    waiting = select(JobRow.team_id, func.count()).where(JobRow.state == JobState.QUEUED.value)
    rows = session.execute(waiting.group_by(JobRow.team_id))
    return {team: TeamQueue(running.get(team, 0), jobs, served.get(team) or 0) for team, jobs in rows}


def ranks(session: Session, team: str, job_ids: list[str]) -> dict[str, int]:
    """Of a team's waiting jobs, how many of the same team are served before each."""
    number = func.row_number().over(order_by=(JobRow.priority.desc(), JobRow.id)) - 1
    waiting = select(JobRow.id, number.label("rank")).where(JobRow.team_id == team)
    ranked = waiting.where(JobRow.state == JobState.QUEUED.value).subquery()
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


def _served_seqs() -> Select[str, int | None]:
    """Of the teams that wait; looked up team by team, since most jobs of a team are over."""
    waiting, served = aliased(JobRow), aliased(JobRow)
    served_seq = (
        select(func.max(served.served_seq))
        .where(served.team_id == waiting.team_id)
        .scalar_subquery()
        .label("served_seq")
    )
    return select(waiting.team_id, served_seq).where(waiting.state == JobState.QUEUED.value).group_by(waiting.team_id)
