"""What a blob store is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

CHUNK = 1 << 20
KEY = re.compile(r"[a-z0-9][a-z0-9_\-]*(/[a-z0-9][a-z0-9_.\-]*)*\Z")


@dataclass(frozen=True)
class StoredBlob:
    """What was written."""

    size: int
    sha256: str


class BlobMissing(KeyError):
    """There is no blob of that key."""


class BlobStore(Protocol):
    """Bytes by key. Keys are made by the server, never by a client."""

    def put(self, key: str, chunks: Iterable[bytes]) -> StoredBlob:
        """Write a blob, whole or not at all; replaces an older one."""

    def open(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Bytes from ``start``. Raises `BlobMissing`."""

    def size(self, key: str) -> int | None:
        """Bytes of a blob; None if there is none."""

    def compose(self, key: str, parts: Sequence[str]) -> StoredBlob:
        """Join blobs into one and delete them. Raises `BlobMissing`."""

    def delete(self, key: str) -> None:
        """Forget a blob; no error if there is none."""

    def local_path(self, key: str) -> Path | None:
        """The blob as a file of this machine, for reading; None where the store is elsewhere."""

    def is_ready(self) -> bool:
        """Whether the store answers."""


def check_key(key: str) -> str:
    """The key, if it is of the form that this server makes.

    Raises:
        ValueError: otherwise; a defect, since no client chooses keys.
    """
    if not KEY.match(key) or ".." in key:
        raise ValueError(f"not a storage key: {key[:80]!r}")
    return key
