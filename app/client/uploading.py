"""Sending a file in parts: each checked and sent again alone, the whole resumed where an earlier attempt broke off."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from app.api.schemas import UploadPage, UploadView
from app.catalog.states import UploadKind, UploadState
from app.client.connection import Connection, persistently
from app.client.errors import ClientError, ServerError, Unusable
from app.errors import UploadClosed

CHUNK = 1 << 18
OnBytes = Callable[[int, int], None]
"""Told how many bytes of how many are done."""


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
    try:
        _send_missing(connection, source, upload, on_bytes)
    except ServerError as refusal:
        if refusal.problem.code != UploadClosed.code:
            raise  # otherwise somebody else has sent and completed the same bytes meanwhile
    return connection.post(UploadView, f"uploads/{upload.id}/complete")


def _send_missing(connection: Connection, source: Source, upload: UploadView, on_bytes: OnBytes) -> None:
    missing = sorted(set(range(1, upload.parts + 1)) - set(upload.received_parts))
    done = source.size_bytes - sum(_size(upload, number) for number in missing)
    on_bytes(done, source.size_bytes)
    for number in missing:
        _send_part(connection, source, upload, number, done, on_bytes)
        done += _size(upload, number)
        on_bytes(done, source.size_bytes)


def _begin(connection: Connection, source: Source, kind: UploadKind) -> UploadView:
    body = {"kind": kind, "name": source.name, "size_bytes": source.size_bytes, "sha256": source.sha256}
    return connection.post(UploadView, "uploads", body)


def _same(connection: Connection, source: Source, kind: UploadKind, state: UploadState) -> UploadView | None:
    """The newest upload of the same bytes in a state."""
    params = {"kind": kind.value, "state": state.value, "limit": 200}
    page = connection.get(UploadPage, "uploads", params)
    return next((u for u in page.items if u.sha256 == source.sha256 and u.size_bytes == source.size_bytes), None)


def _size(upload: UploadView, number: int) -> int:
    return min(upload.part_bytes, upload.size_bytes - (number - 1) * upload.part_bytes)


def _send_part(
    connection: Connection, source: Source, upload: UploadView, number: int, done: int, on_bytes: OnBytes
) -> None:
    start, size = (number - 1) * upload.part_bytes, _size(upload, number)
    sha256 = hashlib.sha256()
    for chunk in _chunks(source.path, start, size):
        sha256.update(chunk)
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Length": str(size),
        "X-Content-SHA256": sha256.hexdigest(),
    }

    def told() -> Iterator[bytes]:
        sent = 0
        for chunk in _chunks(source.path, start, size):
            yield chunk
            sent += len(chunk)
            on_bytes(done + sent, source.size_bytes)

    path = f"uploads/{upload.id}/parts/{number}"
    persistently(lambda: connection.send("PUT", path, content=told(), headers=headers))


def _chunks(path: Path, start: int, size: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        while size and (chunk := file.read(min(CHUNK, size))):
            size -= len(chunk)
            yield chunk
    if size:
        raise ClientError(f"{path} became shorter while it was sent; send it again when it is complete")
