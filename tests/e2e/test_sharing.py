"""One job's profile on many workers, and attempts that go on on other machines; real processes at stub speed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.catalog.states import UploadKind
from app.jobs.states import JobState
from app.workers.records import WorkerState
from app.workers.service import WorkerService
from primesvt_client.schemas.jobs import JobView
from tests.support.embedded import EXAMPLES, QUICK
from tests.support.fleet import Fleet, Part, fleet
from tests.support.invariants import check
from tests.support.servers import OwnRedis, own_redis, until
from tests.support.stub_child import model_of

pytestmark = pytest.mark.slow

CHECKPOINT, DATA = b"a checkpoint", b"a data set"
CELLS = 40
COMPUTED = "computed"
PACE = {"PYTHON_STUB_CELLS": str(CELLS), "PYTHON_STUB_CELL_SECONDS": "0.15", "PRIMESVT_SHARE_SECONDS": "0"}


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnRedis]:
    with own_redis(tmp_path_factory.mktemp("redis") / "data") as server:
        yield server


@pytest.fixture
def team(redis: OwnRedis, tmp_path: Path) -> Iterator[Fleet]:
    with fleet(tmp_path / "fleet", PRIMESVT_BROKER_URL=redis.url) as found:
        found.api()
        found.reconciler()
        yield found
        check(found)
    redis.empty()


def machine(team: Fleet, number: int, *, stub: bool = True) -> Part:
    """A worker with a data folder of its own."""
    shared = {"PRIMESVT_DATABASE_URL": str(team.settings.database), "PRIMESVT_STORAGE_URL": team.settings.storage}
    start = team.worker if stub else team.computing_worker
    own = {"PRIMESVT_DATA_DIR": str(team.folder / f"machine-{number}")}
    return start(**PACE, **shared, **own, PYTHON_STUB_COMPUTED=str(team.folder / COMPUTED))


def submitted(team: Fleet) -> JobView:
    checkpoint, data = team.upload(CHECKPOINT, UploadKind.CHECKPOINT), team.upload(DATA, UploadKind.DATASET)
    return team.submit(checkpoint, data)


def is_as_undisturbed(team: Fleet, job: JobView) -> bool:
    model = next(found for found in team.client.artifacts(job.id) if found.name == "model.safetensors")
    return model.sha256 == hashlib.sha256(model_of(CHECKPOINT, DATA, CELLS)).hexdigest()


def helpers(team: Fleet) -> list[str]:
    workers = WorkerService(team.database, team.settings)
    return [worker.id for worker in workers.all() if worker.state is WorkerState.HELPING]


@pytest.mark.thorough
def test_idle_workers_help_with_a_profile_and_leave_when_it_is_over(team: Fleet) -> None:
    parts = [machine(team, number) for number in range(3)]
    job = submitted(team)
    until(lambda: len(helpers(team)) == 2, "both idle workers help")
    job = team.until_over(job)
    assert (job.state, job.attempts) == (JobState.SUCCEEDED, 1)
    assert is_as_undisturbed(team, job)
    until(lambda: helpers(team) == [], "they leave")
    computed = [path.read_text().count("help_begun") for path in (part.log for part in parts)]
    assert sorted(computed)[0] == 0  # the job's own worker
    assert min(sorted(computed)[1:]) >= 1


@pytest.mark.faults
def test_helpers_that_are_killed_leave_their_cells_to_others(team: Fleet) -> None:
    first = machine(team, 0)
    job = submitted(team)
    team.until_job(job, lambda found: found.state is JobState.RUNNING)
    second = machine(team, 1)
    until(lambda: bool(helpers(team)), "it helps")
    second.kill()
    job = team.until_over(job)
    assert (job.state, job.attempts) == (JobState.SUCCEEDED, 1)
    assert is_as_undisturbed(team, job)
    assert first.process is not None


@pytest.mark.faults
def test_a_job_whose_worker_is_killed_goes_on_on_another_machine(team: Fleet) -> None:
    first = machine(team, 0)
    job = submitted(team)
    team.until_job(job, lambda found: bool(found.progress and found.progress.done > CELLS // 2))
    first.kill()
    machine(team, 1)
    job = team.until_over(job)
    assert (job.state, job.attempts) == (JobState.SUCCEEDED, 2)
    assert is_as_undisturbed(team, job)
    computed = (team.folder / COMPUTED).read_text().split()
    assert {*computed} == {str(number) for number in range(CELLS)}
    assert len(computed) < 1.75 * CELLS  # less than twice: it did not begin anew


@pytest.mark.thorough
def test_helpers_stop_when_the_job_is_cancelled(team: Fleet) -> None:
    for number in range(2):
        machine(team, number)
    job = submitted(team)
    until(lambda: bool(helpers(team)), "one helps")
    team.client.cancel(job.id)
    assert team.until_over(job).state is JobState.CANCELLED
    until(lambda: helpers(team) == [], "it has stopped")
    assert [path.name for path in team.folder.glob(f"machine-*/workspaces/{job.id}*")] == []


@pytest.mark.thorough
def test_a_real_profile_that_was_shared_gives_the_report_of_one_that_was_not(team: Fleet) -> None:
    alone = machine(team, 0, stub=False)
    named = {UploadKind.CHECKPOINT: "spikformer-digits.pth.tar", UploadKind.DATASET: "digits.npz"}
    sent = [team.client.upload(EXAMPLES / name, kind).id for kind, name in named.items()]
    checkpoint, data = (team.client.wait_upload(upload).id for upload in sent)
    rates = [rate / 10 for rate in range(1, 10)]
    asked = {**QUICK, "rates": rates, "splits": {**QUICK["splits"], "search_images": 200}}
    undisturbed = team.report(team.until_over(team.submit(checkpoint, data, **asked)))
    assert alone.log.read_text().count("help_begun") == 0
    helping = machine(team, 1, stub=False)
    job = team.submit(checkpoint, data, **asked)
    until(lambda: bool(helpers(team)), "the other one helps")
    job = team.until_over(job)
    assert (job.state, job.attempts) == (JobState.SUCCEEDED, 1)
    assert team.report(job) == undisturbed
    told = [part.log.read_text() for part in (alone, helping)]
    assert sum(log.count("help_begun") for log in told) >= 1
