"""The states of an upload."""

from __future__ import annotations

from enum import StrEnum


class UploadKind(StrEnum):
    """What an upload is meant to be."""

    CHECKPOINT = "checkpoint"
    DATASET = "dataset"


class UploadState(StrEnum):
    """``created -> uploading -> stored -> validating -> ready | rejected``; unfinished ones end as ``expired``."""

    CREATED = "created"
    UPLOADING = "uploading"
    STORED = "stored"
    VALIDATING = "validating"
    READY = "ready"
    REJECTED = "rejected"
    EXPIRED = "expired"


OPEN = frozenset({UploadState.CREATED, UploadState.UPLOADING})
DEAD = frozenset({UploadState.REJECTED, UploadState.EXPIRED})
