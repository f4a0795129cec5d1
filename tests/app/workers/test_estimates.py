"""When jobs will be over, on every database, from what was measured."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete

from app.db import Database, now
from app.errors import NotFound
from app.jobs.asked import asked_alone
from app.jobs.models import JobRow
from app.jobs.records import Device, Estimate, Job, NewJob
from app.jobs.similarity import similarity_key, workload
from app.teams.service import TeamService
from app.workers.estimates import (
    NO_HISTORY,
    NO_HISTORY_OF_TEAM,
    NOBODY,
    NOT_VALIDATED,
    Estimates,
    remaining,
    typical,
)
from app.workers.models import WorkerRow
from app.workers.records import WorkerState
from app.workers.service import WorkerService
from primesvt_client.facts import CheckpointFacts, DataSetFacts, ResultSummary, StepFacts
from primesvt_client.progress import Progress
from primesvt_client.states import Step
from primesvt_core.spec import parse
from tests.support.shop import MODEL, PROBLEM, Shop

TOOK = {"intake": 1.0, "baseline": 9.0, "profile": 60.0, "search": 20.0, "confirm": 10.0}
FACTS = {"family": "spikformer", "parameter_bytes": 5_000_000}


@pytest.fixture(autouse=True)
def nothing_else(database: Database) -> None:
    with database.session() as session:
        session.execute(delete(JobRow))
        session.execute(delete(WorkerRow))


@pytest.fixture
def estimates(shop: Shop) -> Estimates:
    return Estimates(shop.database, WorkerService(shop.database, shop.settings))


def queued(shop: Shop, facts: dict[str, object] | None = None) -> Job:
    asked = shop.asked()
    shop.set_upload(asked.checkpoint_id, facts=facts or FACTS)
    return shop.jobs.submit(shop.team, asked)


def finished(shop: Shop, factor: float = 1.0, facts: dict[str, object] | None = None) -> None:
    worked(shop, queued(shop, facts), factor)


def worked(shop: Shop, job: Job, factor: float = 1.0) -> None:
    """Let a job take its time."""
    claim = shop.claimed(job)
    for step, seconds in TOOK.items():
        shop.queue.heartbeat(claim, [Progress(step=step, done=1, total=1, facts=StepFacts(seconds=factor * seconds))])
    shop.queue.finalize(claim)
    shop.queue.succeed(claim, [replace(MODEL, blob_key=f"artifacts/{claim.job_id}")], "met", ResultSummary())


def workers(shop: Shop, *states: WorkerState) -> None:
    service = WorkerService(shop.database, shop.settings)
    for number, state in enumerate(states):
        service.report(f"w{number}", "host", ("cpu",), "1", state, None)


def test_what_is_alike_is_of_one_family_size_and_device() -> None:
    def of(size: int, device: Device = "cpu") -> str | None:
        return similarity_key(CheckpointFacts(family="spikformer", parameter_bytes=size), device)

    assert of(4_000_000) == of(4_200_000)
    assert len({of(size) for size in (2_000_000, 5_000_000, 9_000_000)}) == 3
    assert of(4_000_000, "cuda") != of(4_000_000)
    assert similarity_key(None, "cpu") is similarity_key(CheckpointFacts(family="spikformer"), "cpu") is None


def test_the_middle_of_what_steps_took() -> None:
    assert typical([{"profile": 1.0}, {"profile": 30.0, "search": 2.0}, {"profile": 4.0}]) == {
        "profile": 4.0, "search": 2.0,
    }  # fmt: skip
    assert typical([]) == {}


@pytest.mark.parametrize(
    ("progress", "left"),
    [
        (None, 100.0), (Progress(step=Step.INTAKE), 99.5), (Progress(step=Step.PROFILE, done=3, total=4), 45.0),
        (Progress(step=Step.CONFIRM, done=1, total=1), 0.0), (Progress(step=Step.EXPORT), 0.0),
        (Progress(step="of another version"), 100.0),
    ],
)  # fmt: skip
def test_what_is_left_follows_from_where_the_job_is(progress: Progress | None, left: float) -> None:
    assert remaining(TOOK, progress) == pytest.approx(left)


def test_without_workers_or_history_nobody_can_tell(shop: Shop, estimates: Estimates) -> None:
    job = queued(shop)
    found = estimates.of(shop.team, job.id)
    assert (found.starts_in_seconds, found.ends_in_seconds, found.reason) == (None, None, NOBODY)
    workers(shop, WorkerState.IDLE)
    found = estimates.of(shop.team, job.id)
    assert (found.starts_in_seconds, found.ends_in_seconds, found.reason) == (0.0, None, NO_HISTORY)
    finished(shop, facts={**FACTS, "family": "sdtv1"})
    assert estimates.of(shop.team, job.id).ends_in_seconds is None
    with pytest.raises(NotFound):
        estimates.of("team_other", job.id)


def test_jobs_end_when_those_before_them_and_they_themselves_have_taken_their_time(
    shop: Shop, estimates: Estimates
) -> None:
    for factor in (1.0, 1.0, 7.0):
        finished(shop, factor)
    workers(shop, WorkerState.BUSY, WorkerState.BUSY)
    claims = [shop.claimed(queued(shop)) for _ in range(2)]
    for claim, done in zip(claims, (0, 30), strict=True):
        shop.queue.heartbeat(claim, [Progress(step=Step.PROFILE, done=done, total=60)])
    assert estimates.of(shop.team, claims[1].job_id).ends_in_seconds == pytest.approx(60)
    first, second = queued(shop), queued(shop)
    # 90 and 60 seconds are left of what runs, over two workers; the second waits for the first as well.
    assert estimates.of(shop.team, first.id).starts_in_seconds == pytest.approx((90 + 60) / 2)
    found = estimates.of(shop.team, second.id)
    assert found.starts_in_seconds == pytest.approx((90 + 60 + 100) / 2)
    assert found.ends_in_seconds == pytest.approx((90 + 60 + 100) / 2 + 100)


def test_waiting_and_later_attempts_teach_nothing(shop: Shop, estimates: Estimates) -> None:
    workers(shop, WorkerState.IDLE)
    claim = shop.claimed(queued(shop))
    shop.queue.release(claim, PROBLEM)
    claim = shop.claimed(shop.job(claim))
    shop.queue.heartbeat(claim, [Progress(step=Step.PROFILE, done=1, total=1, facts=StepFacts(seconds=0.1))])
    shop.queue.finalize(claim)
    shop.queue.succeed(claim, [MODEL], "met", ResultSummary())
    job = queued(shop)
    assert estimates.of(shop.team, job.id).reason == NO_HISTORY
    finished(shop)
    shop.set(job.id, created_at=now() - timedelta(days=3))
    assert estimates.of(shop.team, job.id).ends_in_seconds == pytest.approx(100)


def new(shop: Shop, samples: int = 1000, **spec: object) -> NewJob:
    asked = shop.asked()
    shop.set_upload(asked.checkpoint_id, facts=FACTS)
    shop.set_upload(asked.dataset_id, facts={"samples": samples})
    return replace(asked, spec={**asked.spec, **spec})


def foretold(estimates: Estimates, shop: Shop, asked: NewJob) -> Estimate:
    return estimates.of_new(shop.team, asked_alone(asked))


def has_worked(shop: Shop, asked: NewJob, factor: float = 1.0) -> None:
    worked(shop, shop.jobs.submit(shop.team, asked), factor)


def test_a_job_that_is_not_queued_takes_what_such_jobs_of_the_team_took(shop: Shop, estimates: Estimates) -> None:
    assert foretold(estimates, shop, new(shop)).reason == NOBODY
    workers(shop, WorkerState.BUSY)
    assert foretold(estimates, shop, new(shop)).reason == NO_HISTORY_OF_TEAM
    has_worked(shop, new(shop, preset="paper"), 9.0)
    assert foretold(estimates, shop, new(shop)).ends_in_seconds is None
    for factor in (1.0, 2.0, 4.0):
        has_worked(shop, new(shop, samples=1100), factor)
    assert foretold(estimates, shop, new(shop)).ends_in_seconds == pytest.approx(200)
    assert foretold(estimates, shop, new(shop, samples=5000)).ends_in_seconds is None
    assert foretold(estimates, shop, new(shop, device="cuda")).reason == NOBODY
    assert foretold(estimates, shop, shop.asked(ready=False)).reason == NOT_VALIDATED


def test_jobs_of_other_teams_teach_nothing_about_one_that_is_not_queued(
    shop: Shop, estimates: Estimates, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers(shop, WorkerState.IDLE)
    ours = new(shop)
    has_worked(shop, ours)
    assert foretold(estimates, shop, ours).ends_in_seconds == pytest.approx(100)
    monkeypatch.setattr(shop, "team", TeamService(shop.database).create_team("theirs").team_id)
    assert foretold(estimates, shop, new(shop)).reason == NO_HISTORY_OF_TEAM
    assert foretold(estimates, shop, ours).reason == NOT_VALIDATED  # of others' uploads nothing is read


@pytest.mark.parametrize(
    ("fields", "is_alike"),
    [
        ({"budget": {"max_accuracy_drop": 0.01}}, True),
        ({"splits": {"search_images": 300}}, True),
        ({"splits": {"search_images": 200}}, False),
        ({"budget": {"min_memory_saving": 0.1}}, False),
        ({"repair": "none"}, False),
        ({"fine_tuning": {"epochs": 2}}, False),
        ({"fine_tuning": {"seconds": 60}}, False),
        ({"assumptions": {"time_steps": 8}}, False),
    ],
)
def test_jobs_are_alike_that_compute_the_same_on_about_as_many_images(fields: dict[str, Any], is_alike: bool) -> None:
    model, data = CheckpointFacts.model_validate(FACTS), DataSetFacts(samples=1000)
    usual: dict[str, Any] = {"budget": {"max_accuracy_drop": 0.03}}
    first, other = (workload(parse(spec), model, data) for spec in (usual, usual | fields))
    assert first.is_like(other) is other.is_like(first) is is_alike


def test_a_job_that_is_claimed_while_it_is_looked_at_begins_now(shop: Shop, estimates: Estimates) -> None:
    job = queued(shop)
    workers(shop, WorkerState.BUSY)
    shop.claimed(job)
    live = estimates.workers.live()
    with shop.database.session() as session:
        assert estimates._starts(session, session.get_one(JobRow, job.id), live) == 0.0
