"""Uploads as the rest of the program sees them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.catalog.models import UploadRow
from app.catalog.states import UploadKind, UploadState


@dataclass(frozen=True, kw_only=True)
class Upload:
    """One upload.

    Attributes:
        sha256: as declared by the client, or as found once everything has arrived.
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
class Content:
    """What a worker reads of an upload: where it lies, and what the client called it."""

    blob_key: str
    name: str


@dataclass(frozen=True, kw_only=True)
class UploadClaim:
    """A worker's right to validate an upload, until its lease ends or another takes it."""

    upload_id: str
    owner: str
    epoch: int
    kind: UploadKind
    content: Content


def part_count(size_bytes: int, part_bytes: int) -> int:
    """Parts of an upload; an empty file has one, empty."""
    return max(1, math.ceil(size_bytes / part_bytes))


def blob_key(upload_id: str) -> str:
    """Where an upload's content lies."""
    return f"uploads/{upload_id}"


def part_key(upload_id: str, number: int) -> str:
    """Where a part lies until the upload is complete."""
    return f"parts/{upload_id}/{number}"


def content(row: UploadRow) -> Content:
    """What a worker reads of a row's upload."""
    return Content(blob_key(row.id), row.name)


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
        parts=part_count(row.size_bytes, row.part_bytes),
        received_parts=tuple(sorted(received)),
        facts=row.facts,
        problem=row.problem,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
