"""Uploads as files that a child can read, under safe names."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import TypeVar

from app.catalog.records import UploadContent
from app.storage import BlobStore
from worker.heartbeat import LONGEST_WAIT_SECONDS, LeaseHeartbeat

T = TypeVar("T")
UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
LONGEST_NAME = 100
CHUNK = 1 << 20


class ContentChanged(OSError):
    """Storage does not hold what was verified."""


def fetch_input(store: BlobStore, content: UploadContent, folder: Path, heartbeat: LeaseHeartbeat) -> Path:
    """A file of the content, in ``folder``, which is made anew; a link where the store lies on this machine.

    Nothing else may be written into the folder: a client chose the name, and to write through a link is to change what
    is stored.

    Raises:
        ContentChanged: it has been verified, and is not what it was then.
        BlobMissing: it is gone.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    path = folder / safe_name(content.name)
    local = store.local_path(content.blob_key)
    if local is not None:
        path.symlink_to(local)
        return path
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for chunk in with_heartbeat(store.open(content.blob_key), heartbeat):
            file.write(chunk)
            if content.sha256 is not None:
                digest.update(chunk)
    if content.sha256 not in (None, digest.hexdigest()):
        raise ContentChanged(
            f"what is stored of {content.name} is not what was verified: its SHA-256 is {digest.hexdigest()}"
        )
    return path


@contextmanager
def hash_in_thread(path: Path) -> Iterator[Future[str]]:
    """The SHA-256 of a file, computed in a thread while the block runs; cancelled when the block is left."""
    cancelled = Event()
    with ThreadPoolExecutor(1) as pool:
        try:
            yield pool.submit(_sha256_of, path, cancelled)
        finally:
            cancelled.set()


def _sha256_of(path: Path, cancelled: Event) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while not cancelled.is_set() and (chunk := file.read(CHUNK)):
            digest.update(chunk)
    return digest.hexdigest()


def run_in_thread(act: Callable[[], None], heartbeat: LeaseHeartbeat) -> None:
    """Do something that takes long and cannot be interrupted, and keep the lease meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        wait_for(pool.submit(act), heartbeat)


def wait_for(result: Future[T], heartbeat: LeaseHeartbeat) -> T:
    """The result of a thread; keeps the lease until it is there."""
    while wait([result], timeout=min(LONGEST_WAIT_SECONDS, heartbeat.every_seconds)).not_done:
        heartbeat.renew_if_due()
    return result.result()


def with_heartbeat(chunks: Iterator[bytes], heartbeat: LeaseHeartbeat) -> Iterator[bytes]:
    """The same chunks; keeps the lease between them."""
    for chunk in chunks:
        heartbeat.renew_if_due()
        yield chunk


def safe_name(name: str) -> str:
    """A client's file name without separators and leading dots; the ending, which names the format, is kept."""
    return UNSAFE.sub("_", name)[-LONGEST_NAME:].lstrip(".") or "upload"
