"""Uploads as the rest of the program sees them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.catalog.models import UploadRow
from app.catalog.states import UploadKind, UploadState
from app.errors import UploadClosed
from app.storage import Draft, Parts


@dataclass(frozen=True, kw_only=True)
class Upload:
    """One upload.

    Attributes:
        sha256: as declared by the client, or as found once the whole was looked into.
        part_bytes: size of every part but the last.
        received_parts: numbers, from 1, of the parts that have arrived.
        facts: what validation found: of a checkpoint its family, config and layers, of a data set its classes.
        problem: why it was rejected: ``code`` and ``detail``.
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
    facts: dict[str, Any] | None
    problem: dict[str, Any] | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class PartAddress:
    """Where a client may send one part itself."""

    number: int
    url: str
    expires_at: datetime


@dataclass(frozen=True)
class Content:
    """What a worker reads of an upload: where it lies, what the client called it, and its digest if it is known."""

    blob_key: str
    name: str
    sha256: str | None


@dataclass(frozen=True, kw_only=True)
class UploadClaim:
    """A worker's right to validate an upload, until its lease ends or another takes it.

    Attributes:
        sha256: what the client says that it is; None if it says nothing.
        draft: what the content is still to be made of; None once it is.
    """

    upload_id: str
    owner: str
    epoch: int
    kind: UploadKind
    content: Content
    sha256: str | None
    draft: Draft | None
    parts: Parts


def blob_key(upload_id: str) -> str:
    """Where the content lies that an upload brought."""
    return f"uploads/{upload_id}"


def content(row: UploadRow) -> Content:
    """What a worker reads of a row's upload.

    Raises:
        UploadClosed: the upload has expired.
    """
    if row.content is None:
        raise UploadClosed(f"the upload {row.id} has expired")
    return Content(row.content.blob_key, row.name, row.content.sha256)


def draft(row: UploadRow) -> Draft | None:
    """What the content of a row's upload is still to be made of."""
    found = row.content
    return Draft(found.blob_key, found.draft) if found is not None and found.draft is not None else None


def cut(row: UploadRow) -> Parts:
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
        parts=cut(row).count,
        received_parts=tuple(sorted(received)),
        facts=row.facts,
        problem=row.problem,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
