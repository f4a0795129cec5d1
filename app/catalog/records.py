"""Uploads as the rest of the program sees them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from app.catalog.models import UploadRow
from app.catalog.states import UploadKind, UploadState
from app.errors import UploadClosed
from app.storage import MultipartUpload, Parts
from primesvt_client.facts import ProblemFacts, UploadFacts, read, read_upload


@dataclass(frozen=True, kw_only=True)
class Upload:
    """One upload.

    Attributes:
        sha256: as declared by the client, or as found once the whole was looked into.
        part_bytes: size of every part but the last.
        received_parts: numbers, from 1, of the parts that have arrived.
        facts: what validation found.
        problem: why it was rejected.
    """

    id: str
    kind: UploadKind
    name: str
    state: UploadState
    size_bytes: int
    sha256: str | None
    part_bytes: int
    parts: int
    received_parts: tuple[int, ...]
    facts: UploadFacts | None
    problem: ProblemFacts | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class PresignedPart:
    """Where a client may send one part itself, straight to the storage."""

    number: int
    url: str
    expires_at: datetime


@dataclass(frozen=True)
class Outside:
    """A file outside the store: where it lies, and how it was when it was validated, if it was."""

    location: str
    size_bytes: int
    version: str | None


@dataclass(frozen=True)
class UploadContent:
    """What a worker reads of an upload: where it lies, what the client called it, and its digest if it is known."""

    blob_key: str
    name: str
    sha256: str | None
    outside: Outside | None = None
    """Of a registered data set, which is not in the store."""


@dataclass(frozen=True, kw_only=True)
class UploadClaim:
    """A worker's right to validate an upload, until its lease ends or another takes it.

    Attributes:
        sha256: the digest that the client declared; None if it declared none.
        multipart: of which the content is still to be made; None once it is.
    """

    upload_id: str
    team: str
    owner: str
    epoch: int
    kind: UploadKind
    content: UploadContent
    sha256: str | None
    multipart: MultipartUpload | None
    parts: Parts


def blob_key(upload_id: str) -> str:
    """Where the content lies that an upload brought."""
    return f"uploads/{upload_id}"


def content_of(row: UploadRow) -> UploadContent:
    """What a worker reads of a row's upload.

    Raises:
        UploadClosed: the upload has expired.
    """
    if row.registered is not None:
        found = row.registered
        return UploadContent("", row.name, row.sha256, Outside(found.location, row.size_bytes, found.version))
    if row.content is None:
        raise UploadClosed(f"the upload {row.id} has expired")
    return UploadContent(row.content.blob_key, row.name, row.content.sha256)


def multipart_of(row: UploadRow) -> MultipartUpload | None:
    """The multipart upload of which a row's content is still to be made."""
    found = row.content
    return (
        MultipartUpload(found.blob_key, found.multipart_token)
        if found is not None and found.multipart_token is not None
        else None
    )


def parts_of(row: UploadRow) -> Parts:
    """The parts of a row's upload."""
    return Parts(row.size_bytes, row.part_bytes)


def record(row: UploadRow, received: Iterable[int]) -> Upload:
    """The record of a row."""
    return Upload(
        id=row.id,
        kind=UploadKind(row.kind),
        name=row.name,
        state=UploadState(row.state),
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        part_bytes=row.part_bytes,
        parts=parts_of(row).count,
        received_parts=tuple(sorted(received)),
        facts=read_upload(row.facts),
        problem=read(ProblemFacts, row.problem),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
