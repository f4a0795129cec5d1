"""What holds of every job after whatever was done to the service."""

from __future__ import annotations

import contextlib
import hashlib
from itertools import pairwise

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.jobs.models import ArtifactRow, EventRow, JobRow
from app.jobs.states import TERMINAL, JobState, is_legal
from tests.support.fleet import Fleet


def check(fleet: Fleet) -> dict[str, JobState]:
    """The states of all jobs, after checking that

    - the event log tells of legal moves alone, begins with ``queued`` and holds at most one terminal state, the last,
    - a succeeded job has exactly the files that are listed, with the digests that are listed.
    """
    with fleet.database.session() as session:
        _at_one_moment(session)
        jobs = {row.id: JobState(row.state) for row in session.scalars(select(JobRow))}
        histories: dict[str, list[JobState]] = {job: [] for job in jobs}
        for event in session.scalars(select(EventRow).where(EventRow.kind == "state").order_by(EventRow.id)):
            histories[event.job_id].append(JobState(event.data["state"]))
        listed: dict[str, dict[str, tuple[str, str]]] = {job: {} for job in jobs}
        for row in session.scalars(select(ArtifactRow)):
            listed[row.job_id][row.name] = (row.blob_key, row.sha256)
    for job, state in jobs.items():
        _check_log(job, histories[job], state)
        _check_files(fleet, job, listed[job], state)
    return jobs


def all_over(fleet: Fleet) -> bool:
    """Whether no job is left to do; a database that is being restarted tells later."""
    over = [state.value for state in TERMINAL]
    with contextlib.suppress(DBAPIError), fleet.database.session() as session:
        return not session.scalar(select(JobRow.id).where(JobRow.state.not_in(over)).limit(1))
    return False


def _at_one_moment(session: Session) -> None:
    """Read everything as it was at the first query; on SQLite a transaction always does."""
    if session.get_bind().dialect.name == "postgresql":
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})


def _check_log(job: str, history: list[JobState], state: JobState) -> None:
    assert history, f"{job} has no events"
    assert history[0] is JobState.QUEUED, f"{job} begins {history}"
    for before, after in pairwise(history):
        assert is_legal(before, after), f"{job} went from {before} to {after}: {history}"
    assert sum(moment in TERMINAL for moment in history) <= 1, f"{job} ended more than once: {history}"
    assert history[-1] is state, f"{job} is {state}, but its log ends {history}"


def _check_files(fleet: Fleet, job: str, listed: dict[str, tuple[str, str]], state: JobState) -> None:
    if state is not JobState.SUCCEEDED:
        assert not listed, f"{job} is {state} and has artifacts"
        return
    assert {"model.safetensors", "report.json"} <= listed.keys(), f"{job} succeeded without {listed.keys()}"
    for name, (key, sha256) in listed.items():
        found = hashlib.sha256(b"".join(fleet.store.open(key))).hexdigest()
        assert found == sha256, f"{name} of {job} is not what is listed"
