"""When a job will end, from what similar jobs took: measured seconds of work, never of waiting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from statistics import median
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from app.catalog.models import UploadRow
from app.catalog.offers import find_offered, is_registered
from app.db import Database
from app.errors import NotFound
from app.jobs.asked import Asked
from app.jobs.models import JobRow
from app.jobs.order import position, queues, ranks
from app.jobs.records import Device, Estimate
from app.jobs.similarity import Workload, similarity_key, workload
from app.jobs.states import HELD, NEWER, JobState
from app.workers.records import Worker, WorkerState
from app.workers.service import WorkerService
from primesvt_client.facts import CheckpointFacts, DataSetFacts, read, read_upload
from primesvt_client.progress import Progress
from primesvt_core import spec as specs
from primesvt_core.errors import SpecError
from primesvt_core.types import Step

REMEMBERED = 20
"""Finished jobs that an estimate is made of, newest first."""

SEARCHED = 100
"""Of a team's jobs of one family, size and device, newest first, those among which such with the same work are looked
for.
"""

Seconds = Mapping[str, float]
"""By step."""

NOBODY = "no worker that can run the job is available"
NO_HISTORY = "no comparable job (same family, size and device) has finished without interruption"
NO_HISTORY_OF_TEAM = "the team has finished no such job (same family, size, device, method and number of images)"
SLICED = "nothing is computed of images, which takes seconds"
NOT_VALIDATED = "an upload is not validated yet"


def typical(history: Sequence[Seconds]) -> dict[str, float]:
    """What each step took in the middle of the jobs that had it."""
    return {
        step.value: median(seconds[step.value] for seconds in history if step.value in seconds)
        for step in Step
        if any(step.value in seconds for seconds in history)
    }


def remaining(steps: Seconds, progress: Progress | None) -> float:
    """Seconds of work that are left, given what each step takes and where the job is."""
    order = [step.value for step in Step]
    if progress is None or progress.step not in order:
        return sum(steps.values())
    # A step that does not know its end is in its middle.
    share = min(1.0, progress.done / progress.total) if progress.total else 0.5
    later = order[order.index(progress.step) + 1 :]
    return (1 - share) * steps.get(progress.step, 0.0) + sum(steps.get(name, 0.0) for name in later)


class Estimates:
    """When jobs will begin and end."""

    def __init__(self, database: Database, workers: WorkerService) -> None:
        self.database, self.workers = database, workers

    def of(self, team: str, job_id: str) -> Estimate:
        """An estimate for one of the team's jobs.

        Raises:
            NotFound: the team has none of that id.
        """
        live = self.workers.live()
        with self.database.session() as session:
            row = session.get(JobRow, job_id)
            if row is None or row.team_id != team:
                raise NotFound(f"there is no job {job_id[:60]}")
            if row.state == JobState.QUEUED.value:
                return self._waiting(session, row, live)
            if row.state != JobState.RUNNING.value:
                return Estimate(reason=f"the job is {row.state}")
            steps = typical(_history(session, row.similarity_key))
            left = remaining(steps, read(Progress, row.progress)) if steps else None
            return Estimate(starts_in_seconds=0.0, ends_in_seconds=left, reason=None if steps else NO_HISTORY)

    def of_new(self, team: str, asked: Asked) -> Estimate:
        """How long a job would be worked on that is not queued, as the team's own jobs with such work took.

        Returns:
            When it would end if it began at once.
        """
        spec, new = asked.spec, asked.new
        device = _device(self.workers.live(), asked.device.removesuffix(NEWER))
        if device is None:
            return Estimate(reason=NOBODY)
        with self.database.reading() as session:
            model = read(CheckpointFacts, _facts(session, team, new.checkpoint_id))
            data = read(DataSetFacts, _facts(session, team, new.dataset_id))
            if not new.dataset_id:
                return Estimate(starts_in_seconds=0.0, reason=SLICED)
            if model is None or data is None:
                return Estimate(starts_in_seconds=0.0, reason=NOT_VALIDATED)
            wanted = workload(spec, model, data)
            own = _of_team(session, team, similarity_key(model, device, asked.kind))
            steps = typical([seconds for seconds, work in own if work.is_like(wanted)][:REMEMBERED])
        if not steps:
            return Estimate(starts_in_seconds=0.0, reason=NO_HISTORY_OF_TEAM)
        return Estimate(starts_in_seconds=0.0, ends_in_seconds=sum(steps.values()))

    def _waiting(self, session: Session, row: JobRow, live: Sequence[Worker]) -> Estimate:
        fit, device = _fit(live, row.wanted_device), _device(live, row.wanted_device)
        if device is None:
            return Estimate(reason=NOBODY)
        facts = session.get_one(UploadRow, row.checkpoint_id).facts
        steps = typical(_history(session, similarity_key(read_upload(facts), device, row.kind)))
        starts = self._starts(session, row, fit)
        reason = NO_HISTORY if not steps or starts is None else None
        ends = None if starts is None or not steps else starts + sum(steps.values())
        return Estimate(starts_in_seconds=starts, ends_in_seconds=ends, reason=reason)

    @staticmethod
    def _starts(session: Session, row: JobRow, fit: Sequence[Worker]) -> float | None:
        """Work that comes before, spread over the workers; None if nothing has ever finished."""
        rank, waiting = ranks(session, row.team_id, [row.id]).get(row.id), queues(session)
        if rank is None or row.team_id not in waiting:  # claimed since it was looked at
            return 0.0
        place = position(row.team_id, rank, waiting)
        if place <= sum(worker.state is not WorkerState.BUSY for worker in fit):
            return 0.0
        recent = _history(session)
        if not recent:
            return None
        usual = sum(typical(recent).values())
        held = session.scalars(select(JobRow).where(JobRow.state.in_([state.value for state in HELD])))
        running = [
            (typical(_history(session, other.similarity_key)) or typical(recent), other.progress) for other in held
        ]
        ahead = sum(remaining(steps, read(Progress, progress)) for steps, progress in running) + (place - 1) * usual
        return ahead / len(fit)


def _fit(live: Sequence[Worker], wanted: str) -> list[Worker]:
    """The workers that can run a job for ``auto``, ``cpu`` or ``cuda``."""
    return [worker for worker in live if wanted == "auto" or wanted in worker.devices]


def _device(live: Sequence[Worker], wanted: str) -> Device | None:
    """What such a job would be computed on; None if no worker can run it."""
    fit = _fit(live, wanted)
    if not fit:
        return None
    return "cuda" if wanted != "cpu" and any("cuda" in worker.devices for worker in fit) else "cpu"


def _facts(session: Session, team: str, upload_id: str) -> dict[str, Any] | None:
    """What validation found of one of the team's uploads, or of a data set that it is offered."""
    if is_registered(upload_id):
        offered = find_offered(session, team, upload_id)
        return offered.facts if offered else None
    return session.scalar(select(UploadRow.facts).where(UploadRow.id == upload_id, UploadRow.team_id == team))


def _of_team(session: Session, team: str, key: str | None) -> Iterator[tuple[Seconds, Workload]]:
    """Step times and workloads of the team's newest similar jobs that succeeded at the first attempt."""
    if key is None:
        return
    checkpoint, dataset = aliased(UploadRow), aliased(UploadRow)
    query = (
        select(JobRow.step_seconds, JobRow.spec, checkpoint.facts, dataset.facts)
        .join(checkpoint, checkpoint.id == JobRow.checkpoint_id)
        .join(dataset, dataset.id == JobRow.dataset_id)
        .where(JobRow.team_id == team, JobRow.similarity_key == key)
        .where(JobRow.state == JobState.SUCCEEDED.value, JobRow.attempts == 1)
        .order_by(JobRow.finished_at.desc())
        .limit(SEARCHED)
    )
    for seconds, document, model_facts, data_facts in session.execute(query):
        model, data = read(CheckpointFacts, model_facts), read(DataSetFacts, data_facts)
        if seconds and model and data:
            with suppress(SpecError):  # of a plug-in that is not installed any more
                yield seconds, workload(specs.parse(document), model, data)


def _history(session: Session, key: str | None = "") -> list[Seconds]:
    """Step times of the newest jobs that succeeded at the first attempt; with a key, of similar ones alone."""
    if key is None:
        return []
    query = select(JobRow.step_seconds).where(JobRow.state == JobState.SUCCEEDED.value, JobRow.attempts == 1)
    if key:
        query = query.where(JobRow.similarity_key == key)
    newest = query.order_by(JobRow.finished_at.desc()).limit(REMEMBERED)
    return [seconds for seconds in session.scalars(newest) if seconds]
