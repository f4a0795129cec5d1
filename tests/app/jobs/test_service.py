"""What jobs promise, on every database: one holder at a time, nothing lost, nothing changed afterwards."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from app.db import Database, connect, now
from app.errors import (
    Conflict,
    IdempotencyConflict,
    InvalidCursor,
    JobFinished,
    LostClaim,
    NotFound,
    UploadInUse,
    UploadNotReady,
)
from app.jobs.events import move, record_event
from app.jobs.models import JobRow
from app.jobs.records import Job, JobClaim, NewJob
from app.jobs.states import TERMINAL, JobState
from app.paging import encode
from app.storage import StoreUnavailable
from app.teams.service import TeamService
from primesvt_client.facts import NO_FACTS, ProblemFacts, ResultSummary
from primesvt_client.presets import DEFAULT_PRESET, resolved
from primesvt_client.progress import Progress
from primesvt_client.states import Step
from tests.support.databases import KINDS, fresh_url
from tests.support.shop import HEAD_START_SECONDS, MODEL, PROBLEM, SPEC, Shop

ROOT = Path(__file__).resolve().parents[3]


def test_migrating_again_changes_nothing(database: Database) -> None:
    database.migrate()
    assert database.is_ready()


@pytest.mark.parametrize("kind", KINDS)
def test_processes_that_start_together_migrate_one_after_another(kind: str, tmp_path: Path) -> None:
    program = "import sys; from app.db import connect; connect(sys.argv[1]).migrate()"
    with fresh_url(kind, tmp_path) as url:
        started = [subprocess.Popen([sys.executable, "-c", program, url], cwd=ROOT) for _ in range(2)]
        assert [process.wait(timeout=60) for process in started] == [0, 0]
        database = connect(url)
        TeamService(database).create_team("first")
        database.engine.dispose()


def test_of_many_claims_at_once_one_wins(shop: Shop) -> None:
    job = shop.queued()
    with ThreadPoolExecutor(8) as pool:
        claims = [*pool.map(lambda number: shop.queue.claim(job.id, f"w{number}"), range(24))]
    [won] = [claim for claim in claims if claim is not None]
    assert (won.epoch, shop.job(job).state, shop.job(job).attempts) == (1, JobState.RUNNING, 1)


@pytest.mark.s3
def test_a_claim_tells_what_to_read_and_how_it_is_called(shop: Shop) -> None:
    claim = shop.claimed()
    assert claim.dataset is not None
    assert (claim.checkpoint.name, claim.dataset.name, claim.train_dataset) == ("a checkpoint", "a dataset", None)
    assert b"".join(shop.store.open(claim.checkpoint.blob_key)) == b"abc"


def test_a_heartbeat_keeps_reports_in_order_and_hears_of_a_cancel(shop: Shop) -> None:
    claim = shop.claimed()
    assert not shop.queue.heartbeat(
        claim, [Progress(step=Step.PROFILE, done=1), Progress(step=Step.PROFILE, done=2)]
    ).cancel_requested
    assert shop.job(claim).progress == Progress(step=Step.PROFILE, done=2)
    events = shop.jobs.events(shop.team, claim.job_id)
    assert [event.data.get("done") for event in events if event.kind == "progress"] == [1, 2]
    assert shop.jobs.events(shop.team, claim.job_id, after=events[-2].id) == events[-1:]
    shop.jobs.cancel(shop.team, claim.job_id)
    assert shop.queue.heartbeat(claim).cancel_requested


def test_a_job_succeeds_with_its_artifacts_at_once(shop: Shop) -> None:
    claim = shop.claimed()
    assert not shop.queue.finalize(claim).cancel_requested
    assert shop.jobs.artifacts(shop.team, claim.job_id) == []
    shop.queue.succeed(claim, [MODEL], "met", ResultSummary(memory_saving=0.3))
    job = shop.job(claim)
    assert (job.state, job.verdict, job.summary) == (JobState.SUCCEEDED, "met", ResultSummary(memory_saving=0.3))
    assert job.finished_at is not None
    assert [artifact.name for artifact in shop.jobs.artifacts(shop.team, job.id)] == ["model.safetensors"]


WRITES: dict[str, Callable[[Shop, JobClaim], object]] = {
    "heartbeat": lambda shop, claim: shop.queue.heartbeat(claim, [Progress(step=Step.PROFILE, done=1)]),
    "finalize": lambda shop, claim: shop.queue.finalize(claim),
    "succeed": lambda shop, claim: shop.queue.succeed(claim, [MODEL], "met", ResultSummary()),
    "fail": lambda shop, claim: shop.queue.fail(claim, PROBLEM),
    "stopped": lambda shop, claim: shop.queue.stopped(claim),
    "release": lambda shop, claim: shop.queue.release(claim, PROBLEM),
    "hand_back": lambda shop, claim: shop.queue.hand_back(claim),
    "postpone": lambda shop, claim: shop.queue.postpone(claim, "full"),
}


@pytest.mark.parametrize("write", WRITES)
def test_who_has_lost_a_claim_writes_nothing(shop: Shop, write: str) -> None:
    stale = shop.claimed()
    shop.forget_workers()
    shop.reconcile()
    shop.claimed(shop.job(stale))
    before = shop.job(stale)
    with pytest.raises(LostClaim):
        WRITES[write](shop, stale)
    with pytest.raises(LostClaim):
        WRITES[write](shop, replace(stale, epoch=2, owner="somebody else"))
    assert shop.job(stale) == before


@pytest.mark.parametrize("write", WRITES)
def test_a_finished_job_never_changes(shop: Shop, write: str) -> None:
    claim = shop.claimed()
    shop.queue.fail(claim, PROBLEM)
    before = shop.job(claim)
    with pytest.raises(LostClaim):
        WRITES[write](shop, claim)
    with pytest.raises(JobFinished):
        shop.jobs.cancel(shop.team, claim.job_id)
    assert shop.queue.claim(claim.job_id, "w") is None
    shop.forget_workers()
    shop.reconcile()
    assert shop.job(claim) == before


def test_a_worker_that_is_not_heard_of_loses_its_job(shop: Shop) -> None:
    claim = shop.claimed()
    assert claim.job_id not in shop.reconcile()
    shop.forget_workers()
    assert claim.job_id in shop.reconcile()
    assert shop.claimed(shop.job(claim)).epoch == claim.epoch + 1


def test_a_full_disk_is_waited_for_however_long_and_costs_no_attempt(shop: Shop) -> None:
    job = shop.queued()
    for hours in (0, 0, 1, 24, 24):
        claim, began = shop.claimed(job), now()
        shop.set(job.id, created_at=began - timedelta(hours=hours))
        shop.queue.postpone(claim, "the disk is full")
        found = shop.job(job)
        assert (found.state, found.attempts, found.problem) == (JobState.QUEUED, 0, None)
        assert shop.queue.claim(job.id, "w") is None
        shop.make_due(job.id)
    claim = shop.claimed(job)
    shop.jobs.cancel(shop.team, job.id)
    shop.queue.postpone(claim, "the disk is full")
    assert shop.job(job).state is JobState.CANCELLED


def test_a_crash_is_tried_again_later_each_time_and_not_for_ever(shop: Shop) -> None:
    job, waits = shop.queued(), []
    for attempt in (1, 2, 3):
        claim = shop.claimed(job)
        began = now()
        shop.queue.release(claim, ProblemFacts(detail="killed"))
        with shop.database.session() as session:
            waits.append((session.get_one(JobRow, job.id).not_before - began).total_seconds())
        if attempt < 3:
            assert shop.job(job).state is JobState.QUEUED
            shop.make_due(job.id)
    assert waits[0] < 1 < waits[1]
    failed = shop.job(job)
    assert (failed.state, failed.problem and failed.problem.code) == (JobState.FAILED, "worker_lost")
    assert "killed" in str(failed.problem)


def test_a_job_whose_workers_vanish_waits_longer_each_time_and_not_for_ever(shop: Shop) -> None:
    job, waits = shop.queued(), []
    for _ in range(3):
        claim = shop.claimed(job)
        shop.forget_workers()
        began = now()
        shop.reconcile()
        with shop.database.session() as session:
            waits.append((session.get_one(JobRow, job.id).not_before - began).total_seconds())
        with pytest.raises(LostClaim):
            shop.queue.heartbeat(claim)
        shop.make_due(job.id)
    assert waits[0] < 1 < waits[1]
    assert (shop.job(job).problem or PROBLEM).code == "worker_lost"


def test_a_job_that_must_wait_is_not_claimed_before(shop: Shop) -> None:
    job = shop.queued()
    shop.set(job.id, not_before=now() + timedelta(seconds=60))
    assert shop.queue.claim(job.id, "w") is None
    assert job.id not in shop.reconcile()
    assert job.id not in shop.queue.due(1000)


def test_a_shutdown_is_no_attempt(shop: Shop) -> None:
    job = shop.queued()
    for _ in range(5):
        shop.queue.hand_back(shop.claimed(job))
    assert (shop.job(job).state, shop.job(job).attempts) == (JobState.QUEUED, 0)


def test_a_shutdown_after_crashes_does_not_make_the_job_wait(shop: Shop) -> None:
    job = shop.queued()
    for _ in range(2):
        shop.queue.release(shop.claimed(job), ProblemFacts(detail="killed"))
        shop.make_due(job.id)
    shop.queue.hand_back(shop.claimed(job))
    assert (shop.claimed(job).epoch, shop.job(job).attempts) == (4, 3)


def test_a_shutdown_carries_out_a_cancel(shop: Shop) -> None:
    job, claim = in_state(shop, JobState.CANCELLING)
    assert claim is not None
    shop.queue.hand_back(claim)
    assert shop.job(job).state is JobState.CANCELLED


def in_state(shop: Shop, state: JobState) -> tuple[Job, JobClaim | None]:
    """A job in that state, and the claim on it if one is held."""
    job = shop.queued()
    if state is JobState.QUEUED:
        return job, None
    claim = shop.claimed(job)
    if state in (JobState.FINALIZING, JobState.SUCCEEDED):
        shop.queue.finalize(claim)
    if state is JobState.SUCCEEDED:
        shop.queue.succeed(claim, [MODEL], "met", ResultSummary())
    if state in (JobState.CANCELLING, JobState.CANCELLED):
        shop.jobs.cancel(shop.team, job.id)
    if state is JobState.CANCELLED:
        shop.queue.stopped(claim)
    if state is JobState.FAILED:
        shop.queue.fail(claim, PROBLEM)
    assert shop.job(job).state is state
    return shop.job(job), claim


CANCELLED_TO = {
    JobState.QUEUED: JobState.CANCELLED, JobState.RUNNING: JobState.CANCELLING,
    JobState.FINALIZING: JobState.CANCELLING, JobState.CANCELLING: JobState.CANCELLING,
    JobState.CANCELLED: JobState.CANCELLED,
}  # fmt: skip


def test_a_job_keeps_what_its_preset_sets(shop: Shop) -> None:
    job = shop.queued()
    assert job.spec == resolved(SPEC)
    assert job.spec["preset"] == DEFAULT_PRESET


def test_a_job_from_before_presets_is_the_papers_for_everyone(shop: Shop) -> None:
    job = shop.queued()
    shop.set(job.id, spec=SPEC)
    paper = {
        "budget": SPEC["budget"], "preset": "paper", "policy": "prioritized", "criterion": "l2", "repair": "none",
        "splits": {"calibration_images": 256}, "rates": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9],
    }  # fmt: skip
    assert shop.job(job).spec == paper
    claim = shop.claimed(job)
    assert claim.spec == paper
    shop.queue.fail(claim, PROBLEM)
    assert shop.jobs.retry(shop.team, job.id).spec == paper


@pytest.mark.parametrize("state", JobState)
def test_cancel_in_every_state(shop: Shop, state: JobState) -> None:
    job, claim = in_state(shop, state)
    if state in (JobState.SUCCEEDED, JobState.FAILED):
        with pytest.raises(JobFinished):
            shop.jobs.cancel(shop.team, job.id)
        assert shop.job(job) == job
        return
    assert shop.jobs.cancel(shop.team, job.id).state is CANCELLED_TO[state]
    assert shop.jobs.cancel(shop.team, job.id).state is CANCELLED_TO[state]
    if CANCELLED_TO[state] is JobState.CANCELLING and claim is not None:
        assert shop.queue.heartbeat(claim).cancel_requested
        assert shop.queue.finalize(claim).cancel_requested
        shop.queue.stopped(claim)
    assert shop.job(job).state is JobState.CANCELLED


def test_a_cancel_whose_worker_died_is_carried_out_by_the_reconciler(shop: Shop) -> None:
    job, _ = in_state(shop, JobState.CANCELLING)
    shop.forget_workers()
    shop.reconcile()
    assert shop.job(job).state is JobState.CANCELLED


@pytest.mark.parametrize("state", JobState)
def test_only_what_has_failed_or_was_cancelled_is_tried_again(shop: Shop, state: JobState) -> None:
    job, _ = in_state(shop, state)
    if state not in (JobState.FAILED, JobState.CANCELLED):
        with pytest.raises(Conflict):
            shop.jobs.retry(shop.team, job.id)
        return
    again = shop.jobs.retry(shop.team, job.id)
    assert (again.state, again.retry_of, again.spec) == (JobState.QUEUED, job.id, job.spec)
    assert shop.notifier.notified[-1] == again.id


@pytest.mark.parametrize("state", JobState)
def test_only_what_is_over_is_forgotten(shop: Shop, state: JobState) -> None:
    job, _ = in_state(shop, state)
    if state in TERMINAL:
        shop.jobs.delete(shop.team, job.id)
        with pytest.raises(NotFound):
            shop.job(job)
        shop.catalog.delete(shop.team, job.checkpoint_id)
    else:
        with pytest.raises(Conflict):
            shop.jobs.delete(shop.team, job.id)
        with pytest.raises(UploadInUse):
            shop.catalog.delete(shop.team, job.checkpoint_id)


@pytest.mark.s3
def test_what_cannot_be_deleted_from_storage_is_not_lost_sight_of(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = shop.claimed()
    shop.store.put(MODEL.blob_key, [b"abc"])
    shop.queue.finalize(claim)
    shop.queue.succeed(claim, [MODEL], "met", ResultSummary())

    def away(key: str) -> None:
        raise StoreUnavailable("the store does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(shop.store, "delete", away)
        with pytest.raises(StoreUnavailable):
            shop.jobs.delete(shop.team, claim.job_id)
    assert shop.jobs.artifacts(shop.team, claim.job_id)
    shop.jobs.delete(shop.team, claim.job_id)
    assert shop.store.size(MODEL.blob_key) is None


def test_a_job_waits_for_its_uploads_and_fails_with_a_rejected_one(shop: Shop) -> None:
    first, second = (shop.jobs.submit(shop.team, shop.asked(ready=False)) for _ in range(2))
    assert shop.queue.claim(first.id, "w") is None
    for upload_id in (first.checkpoint_id, first.dataset_id):
        claim = shop.uploads.claim(upload_id, "w")
        assert claim is not None
        shop.uploads.accept(claim, NO_FACTS)
    assert shop.queue.claim(first.id, "w") is not None
    claim = shop.uploads.claim(second.dataset_id, "w")
    assert claim is not None
    shop.uploads.refuse(claim, ProblemFacts(code="data_empty", detail="nothing in it"))
    shop.reconcile()
    failed = shop.job(second)
    assert (failed.state, failed.problem) == (JobState.FAILED, ProblemFacts(code="data_empty", detail="nothing in it"))
    with pytest.raises(UploadNotReady):
        shop.jobs.submit(shop.team, NewJob(checkpoint_id=second.checkpoint_id, dataset_id=second.dataset_id, spec=SPEC))


def test_a_cancel_under_way_is_not_written_over_by_the_reconciler(shop: Shop) -> None:
    job = shop.jobs.submit(shop.team, shop.asked(ready=False))
    shop.uploads.refuse(shop.upload_claim(job.dataset_id), PROBLEM)
    with shop.uncommitted(shop.reconcile) as session:
        move(session, session.get_one(JobRow, job.id, with_for_update=True), JobState.CANCELLED)
    assert (shop.job(job).state, shop.job(job).problem) == (JobState.CANCELLED, None)


def test_a_heartbeat_under_way_keeps_the_job(shop: Shop) -> None:
    claim = shop.claimed()
    shop.forget_workers()
    with shop.uncommitted(shop.reconcile) as session:
        row = session.get_one(JobRow, claim.job_id, with_for_update=True)
        row.lease_expires_at = now() + timedelta(seconds=30)
    shop.queue.heartbeat(claim)
    assert shop.job(claim).state is JobState.RUNNING


def test_one_idempotency_key_makes_one_job_however_many_ask_at_once(shop: Shop) -> None:
    asked = shop.asked()
    with ThreadPoolExecutor(8) as pool:
        jobs = [*pool.map(lambda _: shop.jobs.submit(shop.team, asked, "once").id, range(16))]
    assert len(set(jobs)) == 1
    assert shop.notifier.notified.count(jobs[0]) == 1
    with pytest.raises(IdempotencyConflict):
        shop.jobs.submit(shop.team, replace(asked, name="another"), "once")
    other = TeamService(shop.database).create_team("others").team_id
    with pytest.raises(NotFound):
        shop.jobs.submit(other, asked, "once")


def test_jobs_are_found_by_page_state_and_name(shop: Shop) -> None:
    asked = shop.asked()
    made = [shop.jobs.submit(shop.team, replace(asked, name=f"number {n}_%")).id for n in range(7)]
    found, cursor = [], None
    while True:
        page = shop.jobs.search(shop.team, cursor=cursor, limit=3)
        found += [job.id for job in page.items]
        if (cursor := page.next_cursor) is None:
            break
    assert found == made[::-1]
    assert [job.name for job in shop.jobs.search(shop.team, query="3_%").items] == ["number 3_%"]
    with pytest.raises(InvalidCursor):
        shop.jobs.search(shop.team, cursor=encode(asked.checkpoint_id))
    shop.jobs.cancel(shop.team, made[0])
    assert [job.id for job in shop.jobs.search(shop.team, [JobState.CANCELLED]).items] == made[:1]


@pytest.mark.parametrize(
    ("asked", "shown"),
    [("accuracy 3/4", "accuracy 3/4"), ("a\x00b\nc\ud800", "abc"), ("é" * 300, "é" * 200), (" ", "unnamed")],
)
def test_a_name_is_kept_as_far_as_it_can_be_shown(shop: Shop, asked: str, shown: str) -> None:
    assert shop.jobs.submit(shop.team, replace(shop.asked(), name=asked)).name == shown


def test_another_teams_jobs_do_not_exist(shop: Shop) -> None:
    job, other = shop.queued(), TeamService(shop.database).create_team("others").team_id
    for act in (
        shop.jobs.get,
        shop.jobs.cancel,
        shop.jobs.retry,
        shop.jobs.delete,
        shop.jobs.events,
        shop.jobs.artifacts,
    ):
        with pytest.raises(NotFound):
            act(other, job.id)
    assert not shop.jobs.search(other).items


def test_workspaces_of_jobs_that_are_over_are_not_needed(shop: Shop) -> None:
    running, over = shop.claimed(), shop.claimed()
    shop.queue.fail(over, PROBLEM)
    assert shop.queue.unfinished([running.job_id, over.job_id, "job_unknown"]) == {running.job_id}


def test_events_become_visible_in_the_order_of_their_ids(shop: Shop) -> None:
    """Whoever goes on behind the last event they saw would miss one with a lower id that is committed later."""
    job = shop.queued()

    def tell(number: int) -> None:
        with shop.database.session() as session:
            record_event(session, job.id, "progress", {"number": number})

    with ThreadPoolExecutor(1) as pool:
        with shop.database.session() as session:
            record_event(session, job.id, "progress", {"number": 1})
            session.flush()  # it has its id, and nobody sees it yet
            second = pool.submit(tell, 2)
            assert not wait([second], timeout=HEAD_START_SECONDS).done
        second.result()
    events = shop.jobs.events(shop.team, job.id)
    assert [event.data.get("number") for event in events] == [None, 1, 2]
    assert shop.jobs.last_events([job.id, "job_unknown"]) == {job.id: events[-1].id}
