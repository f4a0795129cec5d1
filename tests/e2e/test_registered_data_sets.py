"""A job on a registered data set reads the file where it lies, and ends as one on an uploaded copy."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from app.catalog.states import UploadKind, UploadState
from app.jobs.records import Job, NewJob
from app.jobs.states import JobState
from tests.support.dashboard import Dashboard, SilentNotifier, Team
from worker.jobs import JobRunner
from worker.uploads import UploadRunner

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SPEC = {
    "budget": {"max_accuracy_drop": 0.05, "min_memory_saving": 0.15},
    "rates": [0.5],
    "groups": ["block.*.mlp.*", "embedding"],
    "splits": {"search_images": 40, "confirmation_images": 200, "calibration_images": 20},
}


class Place:
    """A service, a team with a checkpoint, and a data set beside the service."""

    def __init__(self, folder: Path) -> None:
        self.board = Dashboard(folder / "service")
        self.team: Team = self.board.team()
        self.pool = folder / "pool" / "digits.npz"
        self.pool.parent.mkdir()
        shutil.copy(EXAMPLES / "digits.npz", self.pool)
        self.pool.chmod(0o400)
        services, uploads = self.board.services, self.board.settings
        self.uploads = UploadRunner(services.database, services.store, uploads, "worker", Event())
        self.checkpoint = self.uploaded(UploadKind.CHECKPOINT, "spikformer-digits.pth.tar")
        self.registered = services.datasets.add("digits", str(self.pool), [self.team.id]).id
        assert self.uploads.run(self.registered)
        assert services.datasets.named("digits").state is UploadState.READY

    def uploaded(self, kind: UploadKind, name: str) -> str:
        upload = self.board.upload(self.team, kind, name, (EXAMPLES / name).read_bytes())
        assert self.uploads.run(upload.id)
        return upload.id

    def ended(self, dataset_id: str) -> Job:
        services = self.board.services
        new = NewJob(checkpoint_id=self.checkpoint, dataset_id=dataset_id, spec=SPEC)
        job = services.jobs.submit(self.team.id, new)
        claim = self.board.jobs.claim(job.id, "worker")
        assert claim is not None
        runner = JobRunner(
            services.database, services.store, self.board.settings, "worker", Event(), SilentNotifier()
        )  # fmt: skip
        runner.run(claim)
        return services.jobs.get(self.team.id, job.id)

    def results(self, job: Job) -> dict[str, Any]:
        """Artifacts by name: of the report all but its times, of other texts the bytes."""
        jobs, found = self.board.services.jobs, {}
        for artifact in jobs.artifacts(self.team.id, job.id):
            content = b"".join(jobs.read(jobs.artifact(self.team.id, job.id, artifact.name)))
            found[artifact.name] = content
        report = json.loads(found["report.json"])
        return {**found, "report.json": {name: value for name, value in report.items() if name != "timings"}}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    found = Place(tmp_path_factory.mktemp("registered"))
    yield found
    found.board.close()


@pytest.mark.thorough
def test_the_results_are_those_of_an_uploaded_copy(place: Place) -> None:
    before = (place.pool.read_bytes(), place.pool.stat().st_mtime_ns)
    stored = sum(path.stat().st_size for path in (place.board.settings.data_dir / "blobs").rglob("*") if path.is_file())
    jobs = [place.ended(place.registered), place.ended(place.uploaded(UploadKind.DATASET, "digits.npz"))]
    assert [job.state for job in jobs] == [JobState.SUCCEEDED] * 2, [job.problem for job in jobs]
    registered, uploaded = map(place.results, jobs)
    assert registered.keys() == uploaded.keys()
    for name in ("report.json", "model.safetensors", "README.md", "layers.csv", "figures/layers.png"):
        assert registered[name] == uploaded[name], name
    assert str(place.pool.parent) not in json.dumps(registered["report.json"])
    assert (place.pool.read_bytes(), place.pool.stat().st_mtime_ns) == before
    assert stored < 2 * (EXAMPLES / "spikformer-digits.pth.tar").stat().st_size + 100_000  # no copy of the data


def test_a_file_that_has_changed_fails_the_job_at_once(place: Place) -> None:
    place.pool.chmod(0o600)
    with place.pool.open("r+b") as file:
        file.seek(1000)
        file.write(b"other")
    os.utime(place.pool, ns=(1, 1))
    job = place.ended(place.registered)
    assert job.state is JobState.FAILED
    assert job.problem is not None
    assert (job.problem.code, str(place.pool.parent) in str(job.problem.detail)) == ("dataset_changed", False)
