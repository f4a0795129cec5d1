"""The real service, started as `primesvt serve` starts it, and ways to hurt it."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.catalog.states import UploadKind
from app.embedded import Place, Running, running
from app.jobs.states import JobState
from primesvt_client import Client
from primesvt_client.schemas.jobs import JobView
from primesvt_client.schemas.uploads import UploadView
from primesvt_client.states import Step

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
QUICK: dict[str, Any] = {
    "budget": {"max_accuracy_drop": 0.05, "min_memory_saving": 0.15},
    "preset": "paper",
    "rates": [0.5, 0.7],
    "profile": "full",
    "splits": {"search_images": 60, "confirmation_images": 300, "calibration_images": 20},
}
"""A job of a few seconds; what a process does with a job does not depend on how the job is computed."""

PATIENCE_SECONDS = 120.0
IMPATIENT = {"PRIMESVT_LEASE_SECONDS": "3", "PRIMESVT_HEARTBEAT_SECONDS": "0.3", "PRIMESVT_RECONCILE_SECONDS": "0.5"}

needs_proc = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds processes in /proc")


class Service:
    """A service that runs, and a client with its first key."""

    def __init__(self, found: Running, key: str) -> None:
        self.found, self.key = found, key
        self.client = Client(found.address, key)
        self.ready: dict[str, str] = {}
        """Uploads of examples by name, once they are ready: every upload costs a process that loads torch."""

    def upload(self, path: Path, kind: UploadKind) -> UploadView:
        return self.client.wait_upload(self.client.upload(path, kind).id)

    def submit(self, **changes: Any) -> JobView:
        model = self.example("spikformer-digits.pth.tar", UploadKind.CHECKPOINT)
        images = self.example("digits.npz", UploadKind.DATASET)
        return self.client.submit(model, images, {**QUICK, **changes})

    def example(self, name: str, kind: UploadKind) -> str:
        """Id of an example's upload, which is ready."""
        if name not in self.ready:
            self.ready[name] = self.upload(EXAMPLES / name, kind).id
        return self.ready[name]

    def until(self, is_so: Callable[[], bool]) -> None:
        """Wait, keeping the parts running as `primesvt serve` does."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            assert time.monotonic() < deadline, "it does not come to be so"
            self.found.check()
            time.sleep(0.05)

    def until_over(self, job: JobView) -> JobView:
        self.until(lambda: self.client.job(job.id).state.is_terminal)
        return self.client.job(job.id)

    def until_computing(self, job: JobView) -> None:
        """Until the job's child evaluates candidates, or nearly."""

        def is_there() -> bool:
            found = self.client.job(job.id)
            assert not found.state.is_terminal, found.problem
            progress = found.progress
            is_computing = progress is not None and progress.step not in (Step.INTAKE, Step.EXPORT, Step.REPORT)
            return found.state is JobState.RUNNING and is_computing

        self.until(is_there)

    def pid(self, part: str) -> int:
        return next(supervisor.process.pid for supervisor in self.found.supervisors if supervisor.program.name == part)

    def children(self) -> list[int]:
        """The worker's child processes."""
        tasks = Path(f"/proc/{self.pid('worker')}/task")
        return [int(pid) for path in tasks.glob("*/children") for pid in path.read_text().split()]

    def kill_child(self) -> None:
        [pid] = self.children()
        os.kill(pid, signal.SIGKILL)

    def report(self, job: JobView, folder: Path) -> dict[str, Any]:
        """A finished job's report, without the one part that differs between runs."""
        self.client.download(job.id, folder)
        report: dict[str, Any] = json.loads((folder / "report.json").read_text())
        del report["timings"]
        return report

    def last_report(self, job: JobView, folder: Path) -> dict[str, Any]:
        """The same of a job that is deleted then: the next one takes over none of its cells and computes."""
        report = self.report(job, folder)
        self.client.delete(job.id)
        return report


@contextmanager
def service(folder: Path, key: str = "", **settings: str) -> Iterator[Service]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**IMPATIENT, **settings}.items():
            patch.setenv(name, value)
        with running(Place(folder, port=0)) as found:
            started = Service(found, found.first_key or key)
            try:
                yield started
            finally:
                started.client.close()
