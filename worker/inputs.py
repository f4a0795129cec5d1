"""Uploads as files that a child can read, under names that it may show."""

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
from worker.heartbeat import LONGEST_WAIT_SECONDS, Pulse

T = TypeVar("T")
UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
LONGEST_NAME = 100
CHUNK = 1 << 20


class Altered(OSError):
    """Storage does not hold what was verified."""


def materialise(store: BlobStore, content: UploadContent, folder: Path, pulse: Pulse) -> Path:
    """A file of the content, in ``folder``, which is made anew; a link where the store lies on this machine.

    Nothing else may be written into the folder: a client chose the name, and to write through a link is to change what
    is stored.

    Raises:
        Altered: it has been verified, and is not what it was then.
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
        for chunk in ticking(store.open(content.blob_key), pulse):
            file.write(chunk)
            if content.sha256 is not None:
                digest.update(chunk)
    if content.sha256 not in (None, digest.hexdigest()):
        raise Altered(f"what is stored of {content.name} is not what was verified: its SHA-256 is {digest.hexdigest()}")
    return path


@contextmanager
def hashing(path: Path) -> Iterator[Future[str]]:
    """The SHA-256 of a file, found out in a thread while the block runs; given up when the block is left."""
    unwanted = Event()
    with ThreadPoolExecutor(1) as pool:
        try:
            yield pool.submit(_sha256_of, path, unwanted)
        finally:
            unwanted.set()


def _sha256_of(path: Path, unwanted: Event) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while not unwanted.is_set() and (chunk := file.read(CHUNK)):
            digest.update(chunk)
    return digest.hexdigest()


def alongside(act: Callable[[], None], pulse: Pulse) -> None:
    """Do something that takes its time and cannot be interrupted, with the pulse going on meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        awaited(pool.submit(act), pulse)


def awaited(result: Future[T], pulse: Pulse) -> T:
    """The result, with the pulse going on until it is there."""
    while wait([result], timeout=min(LONGEST_WAIT_SECONDS, pulse.every_seconds)).not_done:
        pulse.tick()
    return result.result()


def ticking(chunks: Iterator[bytes], pulse: Pulse) -> Iterator[bytes]:
    """The same chunks, with the pulse going on between them."""
    for chunk in chunks:
        pulse.tick()
        yield chunk


def safe_name(name: str) -> str:
    """A client's file name as one of ours: no separators, no leading dot; its ending says the format."""
    return UNSAFE.sub("_", name)[-LONGEST_NAME:].lstrip(".") or "upload"
