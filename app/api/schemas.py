"""What the API takes and gives; the Python client uses the same models."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.catalog.states import UploadKind, UploadState
from app.jobs.states import JobState

SHA256 = r"^[0-9a-fA-F]{64}$"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _View(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class NewUpload(_Body):
    """An upload that is about to be sent."""

    kind: UploadKind
    name: str = Field(min_length=1, max_length=1000, description="File name, for people; never used as a path.")
    size_bytes: int = Field(ge=0)
    sha256: str | None = Field(default=None, pattern=SHA256, description="Of the whole; checked on completion.")


class UploadView(_View):
    """An upload."""

    id: str
    kind: UploadKind
    name: str
    state: UploadState
    size_bytes: int
    sha256: str | None
    part_bytes: int = Field(description="Size of every part but the last.")
    parts: int
    received_parts: tuple[int, ...]
    facts: dict[str, Any] | None = Field(description="What validation found: family, config, layers; or classes.")
    problem: dict[str, Any] | None = Field(description="Why it was rejected: code and detail.")
    created_at: datetime
    updated_at: datetime


class UploadPage(BaseModel):
    """Some uploads, newest first."""

    items: list[UploadView]
    next_cursor: str | None


class NewJobBody(_Body):
    """A compression that is asked for."""

    checkpoint_id: str = Field(max_length=60)
    dataset_id: str = Field(max_length=60)
    train_dataset_id: str | None = Field(default=None, max_length=60, description="Images to fine-tune on.")
    spec: dict[str, Any] = Field(description="Constraint spec; its JSON Schema is at /api/v1/spec/schema.")
    name: str = Field(default="", max_length=200)


class JobView(_View):
    """A job."""

    id: str
    name: str
    state: JobState
    checkpoint_id: str
    dataset_id: str
    train_dataset_id: str | None
    retry_of: str | None
    spec: dict[str, Any]
    progress: dict[str, Any] | None = Field(description="step, done, total, note, facts.")
    verdict: str | None
    summary: dict[str, Any] | None
    problem: dict[str, Any] | None
    attempts: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    queue_position: int | None


class JobPage(BaseModel):
    """Some jobs, newest first."""

    items: list[JobView]
    next_cursor: str | None


class ArtifactView(_View):
    """One file of a finished job."""

    name: str
    media_type: str
    size_bytes: int
    sha256: str
