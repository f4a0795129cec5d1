"""Sends a file: bytes that the server has are not sent again; resumes interrupted uploads."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from primesvt_client.connection import Connection
from primesvt_client.errors import ServerError, Unusable
from primesvt_client.parts import OnBytes, PartSender, Progress
from primesvt_client.problems import UPLOAD_CLOSED
from primesvt_client.schemas.uploads import Parts, UploadPage, UploadView
from primesvt_client.states import OPEN, UploadKind, UploadState


def ignore_bytes(_done: int, _total: int) -> None:
    """Shows no progress."""


HASHED_BYTES = 1 << 20
HASHED_FIRST_BYTES = 64 << 20
"""Smaller files are hashed before they are sent: it takes no time, and the server may have them already."""


@dataclass(frozen=True)
class Source:
    """A file to send."""

    path: Path
    name: str
    size_bytes: int

    def digest(self, is_wanted: Callable[[], bool] = lambda: True) -> str:
        """Its SHA-256; of what was read so far once it is not wanted any more.

        Raises:
            Unusable: it cannot be read.
        """
        sha256 = hashlib.sha256()
        try:
            with self.path.open("rb") as file:
                while is_wanted() and (chunk := file.read(HASHED_BYTES)):
                    sha256.update(chunk)
        except OSError as error:
            raise Unusable(f"cannot read {self.path}: {error}") from None
        return sha256.hexdigest()


def source(path: Path, name: str) -> Source:
    """A file to send under a name.

    Raises:
        Unusable: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return Source(path, printable(name), file.seek(0, os.SEEK_END))
    except OSError as error:
        raise Unusable(f"cannot read {path}: {error}") from None


def printable(name: str) -> str:
    """A file name as JSON can carry it: names on disk are bytes in any encoding."""
    return name.encode("utf-8", "replace").decode()


def send(connection: Connection, file: Source, kind: UploadKind, on_bytes: OnBytes = ignore_bytes) -> UploadView:
    """Send what the server does not have yet, and have it validated; the same bytes are not sent twice.

    A large file of a size that the team has not sent before is new: it is hashed while it is sent.

    Raises:
        ServerError: the server refused.
        Unreachable: no attempt was answered.
        Unusable: the file cannot be read.
    """
    alike = _alike(connection, file, kind)
    if not alike and file.size_bytes >= HASHED_FIRST_BYTES:
        return _send_new(connection, file, _begin(connection, file, kind, None), on_bytes)
    sha256 = file.digest()
    same = {upload.state: upload for upload in reversed(alike) if upload.sha256 == sha256}  # of each, the newest
    upload = same.get(UploadState.READY) or same.get(UploadState.UPLOADING)
    upload = upload or _begin(connection, file, kind, sha256)
    if upload.state not in OPEN:  # the team has the same bytes
        on_bytes(file.size_bytes, file.size_bytes)
        return upload
    return _finish(connection, file, upload, on_bytes)


def _send_new(connection: Connection, file: Source, upload: UploadView, on_bytes: OnBytes) -> UploadView:
    """Send and hash at the same time; the digest is announced as soon as it is known, so that this can be resumed."""
    given_up = Event()

    def announce() -> None:
        sha256 = file.digest(lambda: not given_up.is_set())
        if not given_up.is_set():
            connection.put(UploadView, f"uploads/{upload.id}/digest", {"sha256": sha256})

    with ThreadPoolExecutor(1) as pool:
        announced = pool.submit(announce)
        try:
            _send_missing(connection, file, upload, on_bytes)
            announced.result()
        finally:  # who is interrupted does not wait for the rest of a large file
            given_up.set()
    return connection.post(UploadView, f"uploads/{upload.id}/complete")


def _finish(connection: Connection, file: Source, upload: UploadView, on_bytes: OnBytes) -> UploadView:
    try:
        _send_missing(connection, file, upload, on_bytes)
    except ServerError as refusal:
        if refusal.problem.code != UPLOAD_CLOSED:
            raise  # otherwise somebody else has sent and completed the same bytes meanwhile
    return connection.post(UploadView, f"uploads/{upload.id}/complete")


def _send_missing(connection: Connection, file: Source, upload: UploadView, on_bytes: OnBytes) -> None:
    missing = sorted(set(range(1, upload.parts + 1)) - set(upload.received_parts))
    parts = Parts(upload.size_bytes, upload.part_bytes)
    done = file.size_bytes - sum(parts.size_of(number) for number in missing)
    on_bytes(done, file.size_bytes)
    PartSender(connection, upload, file.path, Progress(file.size_bytes, done, on_bytes)).send(missing)


def _begin(connection: Connection, file: Source, kind: UploadKind, sha256: str | None) -> UploadView:
    body = {"kind": kind, "name": file.name, "size_bytes": file.size_bytes, "sha256": sha256}
    return connection.post(UploadView, "uploads", body)


def _alike(connection: Connection, file: Source, kind: UploadKind) -> list[UploadView]:
    """Uploads of the same size, newest first."""
    params = {"kind": kind.value, "size_bytes": file.size_bytes, "limit": 200}
    return connection.get(UploadPage, "uploads", params).items
