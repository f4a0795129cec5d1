"""Saves what a child has computed from its workspace while it works, so that any worker can resume from there."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import time
from pathlib import Path

from pydantic import JsonValue
from sqlalchemy.exc import DBAPIError

from app.errors import LostClaim, ParentResultsGone
from app.jobs.earlier import EarlierJobs
from app.jobs.files import JobFileStore
from app.jobs.parents import NEEDED, gone
from app.jobs.records import JobClaim, ParentRun
from app.storage import BlobMissing, BlobStore
from primesvt_core.workspace import reuse
from primesvt_core.workspace.sources import WORKSPACE
from primesvt_core.workspace.store import CELLS, snapshots
from worker.files import chunks, open_plain
from worker.heartbeat import LeaseHeartbeat
from worker.inputs import ContentChanged, with_heartbeat

log = logging.getLogger(__name__)

RETRY_SECONDS = 30.0
"""Until a file that could not be stored is tried again."""


class NewCells:
    """The cells that a child has written down since the last `mark_saved`."""

    def __init__(self, workspace: Path) -> None:
        self.path = workspace / CELLS
        self._read_bytes = self._saved_bytes = 0

    def read(self) -> dict[str, JsonValue]:
        """What is new; the same again until `mark_saved` is called."""
        if not self.path.exists():
            return {}
        cells: dict[str, JsonValue] = {}
        self._read_bytes = self._saved_bytes
        with open_plain(self.path) as file:
            file.seek(self._saved_bytes)
            for line in file:
                try:
                    cell = json.loads(line if line.endswith(b"\n") else b"")
                    cells[cell["key"]] = cell["value"]
                except (ValueError, TypeError, KeyError):
                    break  # half written: the child goes on behind it, or drops it when it starts
                self._read_bytes += len(line)
        return cells

    def mark_saved(self) -> None:
        """What was read is saved elsewhere."""
        self._saved_bytes = self._read_bytes


class SavedFiles:
    """A job's large files, in the blob store until the job is over; those of its parent's curve lie there already."""

    def __init__(self, work: JobFileStore, store: BlobStore, claim: JobClaim, workspace: Path) -> None:
        self.work, self.store, self.claim, self.workspace = work, store, claim, workspace
        self._known = {file.name for file in claim.parent.repairs} if claim.parent else set()
        self._versions: dict[str, tuple[int, int]] = {}
        self._retry_at = 0.0

    def fetch(self, folder: Path, heartbeat: LeaseHeartbeat) -> Path:
        """Download what earlier attempts have saved and this machine does not have, into a folder that is made anew."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for saved in self.work.all(self.claim):
            here = self.workspace / saved.name
            if here.is_symlink() or not here.is_file() or _sha256(here) != saved.sha256:
                _download(self.store, saved.blob_key, saved.sha256, folder / saved.name, heartbeat)
        return folder

    def save(self, heartbeat: LeaseHeartbeat) -> None:
        """Store what is new; a store that does not answer is retried later."""
        for path in snapshots(self.workspace) if time.monotonic() >= self._retry_at else ():
            version = (path.stat().st_mtime_ns, path.stat().st_size)
            is_known = path.name in self._known or self._versions.get(path.name) == version
            if not is_known and self._store(path, heartbeat):
                self._versions[path.name] = version

    def _store(self, path: Path, heartbeat: LeaseHeartbeat) -> bool:
        key = ""
        try:
            key = self.work.begin(self.claim, path.name)
            stored = self.store.put(key, with_heartbeat(chunks(path), heartbeat))
            outdated = self.work.finish(self.claim, key, stored.sha256, stored.size)
            for old in outdated:
                self.store.delete(old)
            self.work.forget(outdated)
        except LostClaim:
            if key:
                self.store.delete(key)
            raise
        except (OSError, DBAPIError) as error:
            self._retry_at = time.monotonic() + RETRY_SECONDS
            log.warning("file_not_kept", extra={"file": path.name, "reason": str(error)})
            return False
        return True


def fetch_cells(
    jobs: EarlierJobs, store: BlobStore, claim: JobClaim, folder: Path, heartbeat: LeaseHeartbeat
) -> tuple[Path, ...]:
    """Download the cells of the team's earlier jobs on the same inputs, into a folder that is made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for earlier in jobs.cells(claim, reuse.FILE):
        _download(store, earlier.blob_key, earlier.sha256, folder / f"{earlier.job_id}.{reuse.FILE}", heartbeat)
    return tuple(sorted(folder.iterdir()))


def fetch_run(store: BlobStore, parent: ParentRun, folder: Path, heartbeat: LeaseHeartbeat) -> Path:
    """What another budget needs of its parent's artifacts, in a folder that is made anew.

    Raises:
        ParentResultsGone: something of it is deleted.
        ContentChanged: something is not what was stored.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in NEEDED:
        stored = parent.files.get(name)
        if stored is None:
            raise ParentResultsGone(gone(parent.job_id, [name]))
        path = folder / name
        try:
            with path.open("wb") as file:
                for chunk in with_heartbeat(store.open(stored.blob_key), heartbeat):
                    file.write(chunk)
        except BlobMissing:
            raise ParentResultsGone(gone(parent.job_id, [name])) from None
        if _sha256(path) != stored.sha256:
            raise ContentChanged(f"what is stored of {name} of the job {parent.job_id} is not what was stored then")
    for repair in parent.repairs:
        (folder / WORKSPACE).mkdir(exist_ok=True)
        _download(store, repair.blob_key, repair.sha256, folder / WORKSPACE / repair.name, heartbeat)
    return folder


def _download(store: BlobStore, key: str, sha256: str, path: Path, heartbeat: LeaseHeartbeat) -> None:
    """Download a file that saves time; without it, or where it is damaged, it is computed again."""
    try:
        with path.open("wb") as file:
            for chunk in with_heartbeat(store.open(key), heartbeat):
                file.write(chunk)
    except (OSError, BlobMissing) as error:
        log.warning("file_not_fetched", extra={"file": path.name, "reason": str(error)})
        path.unlink(missing_ok=True)
        return
    if _sha256(path) != sha256:
        log.warning("file_damaged", extra={"file": path.name})
        path.unlink()


def delete_leftovers(work: JobFileStore, store: BlobStore) -> None:
    """Delete the blobs of jobs that are over."""
    keys = work.left_over()
    for key in keys:
        store.delete(key)
    work.forget(keys)


def _sha256(path: Path) -> str:
    with open_plain(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
