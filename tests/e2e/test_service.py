"""The real service: every process of it, and what happens when one of them dies."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.catalog.states import UploadKind, UploadState
from app.jobs.states import JobState
from app.queue import CeleryNotifier
from primesvt_client import ServerError
from primesvt_client.facts import CheckpointFacts, DataSetFacts
from primesvt_client.schemas.jobs import JobView
from primesvt_client.schemas.uploads import UploadView
from tests.support.embedded import EXAMPLES, Service, needs_proc, service

pytestmark = [needs_proc, pytest.mark.slow]


@dataclass(frozen=True)
class Restarted:
    """A service that was stopped while it computed a job, and started again; and how the job has ended."""

    service: Service
    job: JobView
    report: dict[str, Any]


@pytest.fixture
def restarted(tmp_path: Path) -> Iterator[Restarted]:
    with service(tmp_path / "data") as first:
        job = first.submit()
        first.until_computing(job)
    with service(tmp_path / "data", first.key) as second:
        second.ready = first.ready
        job = second.until_over(job)
        yield Restarted(second, job, second.last_report(job, tmp_path / "report"))


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with service(tmp_path_factory.mktemp("here") / "data") as found:
        yield found


@pytest.fixture(scope="module")
def undisturbed(here: Service, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    job = here.until_over(here.submit())
    assert (job.state, job.attempts) == (JobState.SUCCEEDED, 1)
    return here.last_report(job, tmp_path_factory.mktemp("undisturbed"))


@pytest.mark.faults
def test_a_service_that_is_stopped_goes_on_at_the_next_start(restarted: Restarted, undisturbed: dict[str, Any]) -> None:
    assert restarted.service.found.first_key is None
    assert (restarted.job.state, restarted.job.attempts) == (JobState.SUCCEEDED, 1)
    assert restarted.report == undisturbed


@pytest.mark.faults
def test_a_killed_child_ends_in_the_same_plan(here: Service, undisturbed: dict[str, Any], tmp_path: Path) -> None:
    job = here.submit()
    here.until_computing(job)
    here.kill_child()
    job = here.until_over(job)
    assert (job.state, job.attempts) == (JobState.SUCCEEDED, 2)
    told = [event for event in here.client.events(job.id) if event.kind == "state"]
    assert [event.data["state"] for event in told] == [
        "queued", "running", "queued", "running", "finalizing", "succeeded",
    ]  # fmt: skip
    assert "SIGKILL" in told[2].data["reason"]
    assert here.last_report(job, tmp_path) == undisturbed


@pytest.mark.faults
def test_a_killed_worker_takes_its_child_along_and_another_goes_on(
    here: Service, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    job = here.submit()
    here.until_computing(job)
    [child] = here.children()
    os.kill(here.pid("worker"), signal.SIGKILL)
    here.until(lambda: not Path(f"/proc/{child}").exists())
    job = here.until_over(job)
    assert (job.state, job.attempts) == (JobState.SUCCEEDED, 2)
    assert here.last_report(job, tmp_path) == undisturbed


@pytest.mark.faults
def test_a_killed_broker_loses_no_job_and_many_notifications_start_one_attempt(here: Service) -> None:
    os.kill(here.pid("valkey"), signal.SIGKILL)
    notifier = CeleryNotifier(here.found.settings.broker_url)
    here.until(notifier.is_ready)
    job = here.submit()
    for _ in range(20):
        notifier.notify_job(job.id)
    here.until_computing(job)
    for _ in range(20):
        notifier.notify_job(job.id)
    assert len(here.children()) == 1
    job = here.until_over(job)
    assert (job.state, job.attempts) == (JobState.SUCCEEDED, 1)
    notifier.notify_job(job.id)
    here.until(lambda: notifier.waiting() == 0)
    assert here.client.job(job.id) == job
    here.client.delete(job.id)


@pytest.mark.thorough
def test_jobs_stop_when_cancelled_a_queued_one_at_once_and_can_be_tried_again(here: Service) -> None:
    job, queued = here.submit(), here.submit()
    here.until_computing(job)
    assert here.client.job(queued.id).state is JobState.QUEUED
    assert here.client.cancel(queued.id).state is JobState.CANCELLED
    assert here.client.cancel(job.id).state is JobState.CANCELLING
    assert here.client.cancel(job.id).state in (JobState.CANCELLING, JobState.CANCELLED)
    assert here.until_over(job).state is JobState.CANCELLED
    here.until(lambda: here.children() == [])
    here.until(lambda: not (here.found.settings.workspaces / job.id).exists())
    again = here.client.retry(job.id)
    assert (again.retry_of, again.spec) == (job.id, job.spec)
    here.until_computing(again)
    here.client.cancel(again.id)
    assert here.until_over(again).state is JobState.CANCELLED


@pytest.mark.thorough
def test_wrong_inputs_fail_a_job_with_a_code_and_without_another_attempt(here: Service) -> None:
    job = here.until_over(here.submit(budget={"min_accuracy": 0.9999, "max_accuracy_drop": 0.9}))
    assert (job.state, job.attempts) == (JobState.FAILED, 1)
    assert job.problem is not None
    assert job.problem.code == "impossible_budget"
    with pytest.raises(ServerError) as refusal:
        here.client.cancel(job.id)
    assert refusal.value.problem.code == "job_finished"


def test_uploads_that_are_no_checkpoint_and_no_data_are_rejected(here: Service, tmp_path: Path) -> None:
    rubbish = tmp_path / "rubbish.pth"
    rubbish.write_bytes(b"nothing of the kind")
    for kind in UploadKind:
        upload = here.upload(rubbish, kind)
        assert upload.state is UploadState.REJECTED
        assert upload.problem is not None
        assert upload.problem.detail


@pytest.mark.parametrize("name", ["spikformer-digits.pth.tar", "digits.npz"])
def test_what_was_damaged_on_its_way_is_told_from_what_is_no_checkpoint(here: Service, name: str) -> None:
    content = (EXAMPLES / name).read_bytes()
    connection = here.client._connection
    body = {"kind": "checkpoint", "name": "model.pth.tar", "size_bytes": len(content), "sha256": "0" * 64}
    upload = connection.post(UploadView, "uploads", body)
    headers = {"Content-Type": "application/octet-stream"}
    connection.send("PUT", f"uploads/{upload.id}/parts/1", content=content, headers=headers)
    connection.post(UploadView, f"uploads/{upload.id}/complete")
    found = here.client.wait_upload(upload.id)
    assert (found.state, found.problem and found.problem.code) == (UploadState.REJECTED, "digest_mismatch")


def test_facts_of_uploads_say_what_they_are(here: Service) -> None:
    examples = (("spikformer-digits.pth.tar", UploadKind.CHECKPOINT), ("digits.npz", UploadKind.DATASET))
    model, images = (here.client.get_upload(here.example(name, kind)) for name, kind in examples)
    assert isinstance(model.facts, CheckpointFacts)
    assert model.facts.family == "spikformer"
    assert isinstance(images.facts, DataSetFacts)
    assert images.facts.samples > 500
    assert len(images.facts.classes or ()) == 10
