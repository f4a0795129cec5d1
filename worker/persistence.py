"""What a child has computed, taken out of its workspace while it works, so that any worker can go on from there."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import time
from pathlib import Path

from pydantic import JsonValue
from sqlalchemy.exc import DBAPIError

from app.errors import LostClaim
from app.jobs.files import JobFileStore
from app.jobs.records import JobClaim
from app.storage import BlobMissing, BlobStore
from primesvt_core.workspace.store import CELLS, snapshots
from worker.files import chunks
from worker.heartbeat import Pulse
from worker.inputs import ticking

log = logging.getLogger(__name__)

RETRY_SECONDS = 30.0
"""Before a file that could not be stored is tried again."""


class FreshCells:
    """The cells that a child has written down since they were last taken note of."""

    def __init__(self, workspace: Path) -> None:
        self.path = workspace / CELLS
        self._read_bytes = self._noted_bytes = 0

    def read(self) -> dict[str, JsonValue]:
        """What is new; the same again until `note` is called."""
        if not self.path.exists():
            return {}
        cells: dict[str, JsonValue] = {}
        self._read_bytes = self._noted_bytes
        with self.path.open("rb") as file:
            file.seek(self._noted_bytes)
            for line in file:
                try:
                    cell = json.loads(line if line.endswith(b"\n") else b"")
                    cells[cell["key"]] = cell["value"]
                except (ValueError, TypeError, KeyError):
                    break  # half written: the child goes on behind it, or drops it when it starts
                self._read_bytes += len(line)
        return cells

    def note(self) -> None:
        """What was read is kept elsewhere."""
        self._noted_bytes = self._read_bytes


class KeptFiles:
    """A job's large files, in the blob store while the job is not over."""

    def __init__(self, work: JobFileStore, store: BlobStore, claim: JobClaim, workspace: Path) -> None:
        self.work, self.store, self.claim, self.workspace = work, store, claim, workspace
        self._kept: dict[str, tuple[int, int]] = {}
        self._try_at = 0.0

    def fetch(self, folder: Path, pulse: Pulse) -> Path:
        """Bring what earlier attempts have left, and this machine does not have, into a folder that is made anew."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for kept in self.work.all(self.claim):
            here = self.workspace / kept.name
            if not here.is_file() or _sha256(here) != kept.sha256:
                self._bring(kept.blob_key, kept.sha256, folder / kept.name, pulse)
        return folder

    def keep(self, pulse: Pulse) -> None:
        """Store what is new; a store that does not answer is asked again the next time."""
        for path in snapshots(self.workspace) if time.monotonic() >= self._try_at else ():
            version = (path.stat().st_mtime_ns, path.stat().st_size)
            if self._kept.get(path.name) != version and self._is_stored(path, pulse):
                self._kept[path.name] = version

    def _is_stored(self, path: Path, pulse: Pulse) -> bool:
        key = ""
        try:
            key = self.work.begin(self.claim, path.name)
            stored = self.store.put(key, ticking(chunks(path), pulse))
            outdated = self.work.finish(self.claim, key, stored.sha256)
            for old in outdated:
                self.store.delete(old)
            self.work.forget(outdated)
        except LostClaim:
            if key:
                self.store.delete(key)
            raise
        except (OSError, DBAPIError) as error:
            self._try_at = time.monotonic() + RETRY_SECONDS
            log.warning("file_not_kept", extra={"file": path.name, "reason": str(error)})
            return False
        return True

    def _bring(self, key: str, sha256: str, path: Path, pulse: Pulse) -> None:
        try:
            with path.open("wb") as file:
                for chunk in ticking(self.store.open(key), pulse):
                    file.write(chunk)
        except (OSError, BlobMissing) as error:
            log.warning("file_not_fetched", extra={"file": path.name, "reason": str(error)})
            path.unlink(missing_ok=True)
            return
        if _sha256(path) != sha256:  # it is computed again
            log.warning("file_damaged", extra={"file": path.name})
            path.unlink()


def clean_up(work: JobFileStore, store: BlobStore) -> None:
    """Delete the blobs of jobs that are over."""
    keys = work.left_over()
    for key in keys:
        store.delete(key)
    work.forget(keys)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
