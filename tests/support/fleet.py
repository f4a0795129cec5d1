"""The service's processes one by one, over servers of one's own: start, freeze and kill each as a test likes."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.catalog.states import UploadKind, UploadState
from app.db import Database, connect
from app.settings import Settings
from app.storage import BlobStore, store_of
from app.teams.service import TeamService
from primesvt_client import Client, ClientError
from primesvt_client.connection import is_temporary
from primesvt_client.parts import OnBytes
from primesvt_client.schemas.jobs import JobView
from primesvt_client.schemas.uploads import UploadView
from primesvt_client.uploading import ignore_bytes
from tests.support.servers import Server, free_port, until

ROOT = Path(__file__).resolve().parents[2]
IMPATIENT = {
    "PRIMESVT_LEASE_SECONDS": "3", "PRIMESVT_HEARTBEAT_SECONDS": "0.3", "PRIMESVT_RECONCILE_SECONDS": "0.5",
    "PRIMESVT_MAX_ATTEMPTS": "50", "PRIMESVT_RETRY_SECONDS": "0.05",
}  # fmt: skip
TRIES = 10
SPEC: dict[str, Any] = {"budget": {"max_accuracy_drop": 0.03}}


class Part(Server):
    """One process of the service, with an environment of its own."""

    def __init__(self, name: str, module: list[str], env: dict[str, str], folder: Path) -> None:
        command = [sys.executable, "-P", "-m", *module]
        super().__init__(command, folder / f"{name}.log")
        self.name, self.env = name, env

    def children(self) -> list[int]:
        """Processes that this one has started and that live."""
        assert self.process is not None
        tasks = Path(f"/proc/{self.process.pid}/task")
        return [int(pid) for path in tasks.glob("*/children") for pid in path.read_text().split()]

    def freeze(self) -> None:
        """Stop it where it stands, and its children with it, as a machine that hangs does."""
        for pid in (*self.children(), self._pid()):
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        for pid in (self._pid(), *self.children()):
            os.kill(pid, signal.SIGCONT)

    def _pid(self) -> int:
        assert self.process is not None
        return self.process.pid


class Fleet:
    """An API, workers and reconcilers over one database, broker and store."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.folder = folder
        self.env = {
            **os.environ, **IMPATIENT, "PYTHONPATH": str(ROOT), "OMP_WAIT_POLICY": "PASSIVE",
            "PRIMESVT_DATA_DIR": str(folder / "data"), "PRIMESVT_STORAGE_URL": (folder / "blobs").as_uri(), **env,
        }  # fmt: skip
        self.settings = Settings.from_env(self.env)
        self.database: Database = connect(self.settings.database)
        self.database.migrate()
        key = TeamService(self.database).bootstrap()
        assert key is not None
        self.team, self.key = key.team_id, key.secret
        self.parts: list[Part] = []
        self.port = free_port()
        self.client = Client(f"http://127.0.0.1:{self.port}", self.key)

    @property
    def store(self) -> BlobStore:
        """Where uploads and artifacts lie."""
        return store_of(self.settings)

    def api(self, **env: str) -> Part:
        """Start the API and wait until it answers."""
        module = ["uvicorn", "--factory", "app.main:create", "--port", str(self.port), "--no-access-log"]
        module += ["--http", "app.api.connections:PatientProtocol"]
        part = self._start("api", module, env)
        until(self.answers, f"the API does not start: {part.log}")
        return part

    def worker(self, **env: str) -> Part:
        """Start a worker whose children run at stub speed. Each is a machine: it has a data folder of its own."""
        return self._worker("tests.support.stub_worker", env)

    def computing_worker(self, **env: str) -> Part:
        """Start a worker that computes."""
        return self._worker("worker", env)

    def _worker(self, module: str, env: dict[str, str]) -> Part:
        name = f"worker-{len(self.parts)}"
        return self._start(name, [module], {"PRIMESVT_DATA_DIR": str(self.folder / name), **env})

    def part(self, name: str, module: str, **env: str) -> Part:
        """Start a process of a test's own making."""
        return self._start(name, [module], env)

    def reconciler(self, **env: str) -> Part:
        """Start a reconciler."""
        return self._start(f"reconciler-{len(self.parts)}", ["worker.reconciler"], env)

    def upload(self, content: bytes, kind: UploadKind) -> str:
        """Id of a ready upload."""
        path = self.folder / f"{kind.value}.bin"
        path.write_bytes(content)
        upload = self.client.wait_upload(self.client.upload(path, kind).id)
        assert upload.state is UploadState.READY, upload.problem
        return upload.id

    def submit(self, checkpoint: str, data: str, **spec: Any) -> JobView:
        return self.client.submit(checkpoint, data, {**SPEC, **spec})

    def until_job(self, job: JobView, is_so: Callable[[JobView], bool], seconds: float = 120.0) -> JobView:
        """The job once it is so."""
        until(lambda: is_so(self.client.job(job.id)), f"job {job.id} does not come to it", seconds)
        return self.client.job(job.id)

    def until_in_the_middle(self, job: JobView) -> JobView:
        """The job once some of its work is done."""
        return self.until_job(job, lambda found: bool(found.progress and found.progress.done > 3))

    def upload_persistently(self, path: Path, on_progress: OnBytes = ignore_bytes) -> UploadView:
        """Upload a checkpoint as people do: again, when the client has given up."""
        for _ in range(TRIES):
            try:
                return self.client.wait_upload(self.client.upload(path, UploadKind.CHECKPOINT, on_progress).id)
            except ClientError as error:
                if not is_temporary(error):
                    raise
        pytest.fail(f"{TRIES} attempts were not enough")

    def until_over(self, job: JobView, seconds: float = 120.0) -> JobView:
        return self.until_job(job, lambda found: found.state.is_terminal, seconds)

    def report(self, job: JobView) -> dict[str, Any]:
        """A finished job's report, without what differs between runs."""
        folder = self.folder / "downloads" / job.id
        self.client.download(job.id, folder)
        report: dict[str, Any] = json.loads((folder / "report.json").read_text())
        report.pop("timings", None)
        return report

    def close(self) -> None:
        self.client.close()
        for part in reversed(self.parts):
            if part.process is not None:
                part.send(signal.SIGCONT)
                part.kill()
        self.database.engine.dispose()

    def _start(self, name: str, module: list[str], env: dict[str, str]) -> Part:
        part = Part(name, module, {**self.env, **env}, self.folder)
        self.parts.append(part)
        part.start()
        return part

    def answers(self) -> bool:
        """Whether the API answers."""
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/livez", trust_env=False).is_success
        except httpx.HTTPError:
            return False


@contextmanager
def fleet(folder: Path, **env: str) -> Iterator[Fleet]:
    """A fleet with nothing started; everything that was is gone afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    found = Fleet(folder, **env)
    try:
        yield found
    finally:
        found.close()
