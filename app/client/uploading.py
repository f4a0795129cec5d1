"""Sending a file: what the server has already is not sent, what broke off is gone on with."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from app.api.schemas import UploadPage, UploadView
from app.catalog.states import OPEN, UploadKind, UploadState
from app.client.connection import Connection
from app.client.errors import ServerError, Unusable
from app.client.parts import OnBytes, PartSender, Progress
from app.errors import UploadClosed
from app.storage import Parts


def nobody(_done: int, _total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Source:
    """A file to send, and its SHA-256."""

    path: Path
    name: str
    size_bytes: int
    sha256: str


def read_source(path: Path, name: str) -> Source:
    """A file and its digest.

    Raises:
        Unusable: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            return Source(path, printable(name), file.tell(), sha256)
    except OSError as error:
        raise Unusable(f"cannot read {path}: {error}") from None


def printable(name: str) -> str:
    """A file name as JSON can carry it: names on disk are bytes in any encoding."""
    return name.encode("utf-8", "replace").decode()


def send(connection: Connection, source: Source, kind: UploadKind, on_bytes: OnBytes = nobody) -> UploadView:
    """Send what the server does not have yet, and have the whole checked; the same bytes are not sent twice.

    Raises:
        ServerError: the server refused.
        Unreachable: nobody answered at any time.
    """
    ready = _same(connection, source, kind, UploadState.READY)
    if ready is not None:
        on_bytes(source.size_bytes, source.size_bytes)
        return ready
    upload = _same(connection, source, kind, UploadState.UPLOADING) or _begin(connection, source, kind)
    if upload.state not in OPEN:  # the team has the same bytes
        on_bytes(source.size_bytes, source.size_bytes)
        return upload
    try:
        _send_missing(connection, source, upload, on_bytes)
    except ServerError as refusal:
        if refusal.problem.code != UploadClosed.code:
            raise  # otherwise somebody else has sent and completed the same bytes meanwhile
    return connection.post(UploadView, f"uploads/{upload.id}/complete")


def _send_missing(connection: Connection, source: Source, upload: UploadView, on_bytes: OnBytes) -> None:
    missing = sorted(set(range(1, upload.parts + 1)) - set(upload.received_parts))
    parts = Parts(upload.size_bytes, upload.part_bytes)
    done = source.size_bytes - sum(parts.size_of(number) for number in missing)
    on_bytes(done, source.size_bytes)
    PartSender(connection, upload, source.path, Progress(source.size_bytes, done, on_bytes)).send(missing)


def _begin(connection: Connection, source: Source, kind: UploadKind) -> UploadView:
    body = {"kind": kind, "name": source.name, "size_bytes": source.size_bytes, "sha256": source.sha256}
    return connection.post(UploadView, "uploads", body)


def _same(connection: Connection, source: Source, kind: UploadKind, state: UploadState) -> UploadView | None:
    """The newest upload of the same bytes in a state."""
    params = {"kind": kind.value, "state": state.value, "limit": 200}
    page = connection.get(UploadPage, "uploads", params)
    return next((u for u in page.items if u.sha256 == source.sha256 and u.size_bytes == source.size_bytes), None)
