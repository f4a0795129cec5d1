"""What a blob store is."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from primesvt_client.schemas.uploads import Parts as Parts

CHUNK = 1 << 20
PRESIGNED_URL_SECONDS = 900
"""How long presigned URLs hold; a part takes less on any line that is of use."""

KEY = re.compile(r"[a-z0-9][a-z0-9_\-]*(/[a-z0-9][a-z0-9_.\-]*)*\Z")


@dataclass(frozen=True)
class StoredBlob:
    """What was written."""

    size: int
    sha256: str


@dataclass(frozen=True)
class MultipartUpload:
    """A blob that is being written in parts; the token is what its store knows it by."""

    key: str
    token: str


@dataclass(frozen=True)
class SavedAs:
    """Headers for a browser that fetches a blob from the store itself."""

    disposition: str
    media_type: str


class BlobMissing(KeyError):
    """There is no blob of that key, or no multipart upload of that token any more."""


class StoreUnavailable(OSError):
    """The store does not answer, or refuses this server; the same may work in a moment."""


FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Errors of a disk without room."""


class StoreFull(StoreUnavailable):
    """There is no room left."""


class BlobStore(Protocol):
    """Bytes by key. Keys are made by the server, never by a client.

    Parts of a multipart upload may be written in any order, at the same time and again; the blob is there once the
    upload is completed, and nothing that was ever handed out can change it then. Every method may raise
    `StoreUnavailable`.
    """

    def put(self, key: str, chunks: Iterable[bytes]) -> StoredBlob:
        """Write a blob, whole or not at all; replaces an older one."""

    def open(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Bytes from ``start``. Raises `BlobMissing`."""

    def size(self, key: str) -> int | None:
        """Bytes of a blob; None if there is none."""

    def delete(self, key: str) -> None:
        """Forget a blob; no error if there is none."""

    def plan_parts(self, size: int, part_bytes: int) -> Parts:
        """The parts of a blob of ``size`` bytes, of ``part_bytes`` where this store allows it."""

    def create_multipart(self, key: str, parts: Parts) -> MultipartUpload:
        """Create a blob that comes in parts."""

    def put_part(self, upload: MultipartUpload, parts: Parts, number: int, chunks: Iterable[bytes]) -> None:
        """Write a part, whole or not at all; replaces an older one. Raises `BlobMissing` if the upload is gone."""

    def list_parts(self, upload: MultipartUpload, parts: Parts) -> frozenset[int]:
        """Numbers of the parts that are there whole; none of an upload that is gone."""

    def complete_multipart(self, upload: MultipartUpload, parts: Parts) -> None:
        """Make the blob of its parts; doing so again changes nothing. Raises `BlobMissing` if a part is missing."""

    def abort_multipart(self, upload: MultipartUpload) -> None:
        """Forget an upload and its parts; no error if there is none."""

    def list_multipart(self, created_before: datetime) -> Iterator[MultipartUpload]:
        """Uploads that were created before a time and neither completed nor aborted."""

    def presigned_part_url(self, upload: MultipartUpload, parts: Parts, number: int, seconds: int) -> str | None:
        """Where a client may send (PUT) a part itself, for so long; None where it cannot reach the store."""

    def presigned_url(self, key: str, saved_as: SavedAs, seconds: int) -> str | None:
        """Where a client may fetch (GET) a blob itself, for so long; None where it cannot reach the store."""

    def public_origin(self) -> str:
        """Scheme, host and port of those URLs; empty where there are none."""

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
