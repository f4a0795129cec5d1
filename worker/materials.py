"""Uploads as files that a child can read, under names that it may show."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from app.catalog.records import Content
from app.storage import BlobStore
from worker.pulse import Pulse

UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
LONGEST_NAME = 100


def materialise(store: BlobStore, content: Content, folder: Path, pulse: Pulse) -> Path:
    """A file of the content, in ``folder``, which is made anew; a link where the store lies on this machine."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    path = folder / safe_name(content.name)
    local = store.local_path(content.blob_key)
    if local is not None:
        path.symlink_to(local)
        return path
    with path.open("wb") as file:
        for chunk in ticking(store.open(content.blob_key), pulse):
            file.write(chunk)
    return path


def ticking(chunks: Iterator[bytes], pulse: Pulse) -> Iterator[bytes]:
    """The same chunks, with the pulse going on between them."""
    for chunk in chunks:
        pulse.tick()
        yield chunk


def safe_name(name: str) -> str:
    """A client's file name as one of ours: no separators, no leading dot; its ending says the format."""
    return UNSAFE.sub("_", name)[-LONGEST_NAME:].lstrip(".") or "upload"
