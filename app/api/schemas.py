"""What the API takes and gives; the Python client uses the same models."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    JsonValue,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from app.catalog.states import UploadKind, UploadState
from app.jobs.priorities import Priority
from app.jobs.states import JobState
from app.workers.records import WorkerState
from primesvt_core.spec import CompressionSpec

SHA256 = r"^[0-9a-fA-F]{64}$"
ID = r"^[0-9a-z_]+$"
LONGEST_ID = 60
LARGEST_SIZE = 1 << 50
"""Bytes; far beyond every setting, and still a number that JSON, databases and clients count exactly."""


def _number(value: object) -> object:
    if isinstance(value, bool | str):
        raise ValueError("should be a number")  # noqa: TRY004  # which pydantic makes a refusal of
    return value


A_NUMBER = BeforeValidator(_number)
"""A number as JSON has it: neither text nor ``true``, which pydantic would take for one. Goes behind the bounds, or
these would be in no schema.
"""


RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
FIRST_MOMENT, LAST_MOMENT = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
"""A day within what Python and databases can say, in any time zone."""


def _within_reach(moment: datetime) -> datetime:
    try:
        return min(max(moment.astimezone(UTC), FIRST_MOMENT), LAST_MOMENT)
    except OverflowError:
        return FIRST_MOMENT if moment.year == 1 else LAST_MOMENT


def _as_documented(value: object) -> object:
    if isinstance(value, datetime) or (isinstance(value, str) and RFC_3339.fullmatch(value)):
        return value
    raise ValueError("should be a moment like 2026-01-31T12:00:00Z")  # pydantic would take seconds since 1970, too


Moment = Annotated[AwareDatetime, AfterValidator(_within_reach), BeforeValidator(_as_documented)]
"""A moment that a client gives, with a UTC offset. At the ends of the calendar, which mean ever and never, offsets lead
beyond it.
"""


class _LikeASpec:
    """Told as a `CompressionSpec`, but taken as it comes: a wrong one is refused in a spec's own words."""

    @staticmethod
    def __get_pydantic_json_schema__(_taken: CoreSchema, told: GetJsonSchemaHandler) -> JsonSchemaValue:
        return told(CompressionSpec.__pydantic_core_schema__)


class Body(BaseModel):
    """What a client sends."""

    # JSON knows neither NaN nor infinity, though Python's parser takes them.
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class View(BaseModel):
    """What a client gets: made of a record."""

    model_config = ConfigDict(from_attributes=True)


class NewUpload(Body):
    """An upload that is about to be sent."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"kind": "checkpoint", "name": "spikformer.pth.tar", "size_bytes": 37_421_013}]}
    )

    kind: UploadKind
    name: str = Field(min_length=1, max_length=1000, description="File name, for people; never used as a path.")
    size_bytes: Annotated[int, Field(ge=0, le=LARGEST_SIZE), A_NUMBER]
    sha256: str | None = Field(
        default=None, pattern=SHA256, description="Of the whole; what the team has already need not be sent."
    )


class UploadView(View):
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


class NewDigest(Body):
    """What the client has found out while it sent."""

    sha256: str = Field(pattern=SHA256, description="Of the whole.")


class PartNumbers(Body):
    """Parts that a client would send to storage itself."""

    numbers: list[Annotated[int, A_NUMBER]] = Field(min_length=1, max_length=100, examples=[[1, 2, 3]])


class PartAddressView(View):
    """Where one part may be sent by ``PUT``, with no other headers than its length."""

    number: int
    url: str = Field(description="Good for this part alone. Whoever has it may send the part.")
    expires_at: datetime


class PartAddresses(BaseModel):
    """Where parts may be sent; empty where they go through this server."""

    items: list[PartAddressView]


class UploadPage(BaseModel):
    """Some uploads, newest first."""

    items: list[UploadView]
    next_cursor: str | None


class NewJobBody(Body):
    """A compression that is asked for."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "checkpoint_id": "upl_01k2v8r3p5q7s9t1v3w5x7y9z1",
                    "dataset_id": "upl_01k2v8r4a6b8c0d2e4f6g8h0j2",
                    "spec": {"budget": {"max_accuracy_drop": 0.03, "min_memory_saving": 0.25}},
                    "name": "a quarter less",
                }
            ]
        }
    )

    checkpoint_id: str = Field(max_length=LONGEST_ID, pattern=ID)
    dataset_id: str = Field(max_length=LONGEST_ID, pattern=ID)
    train_dataset_id: str | None = Field(
        default=None, max_length=LONGEST_ID, pattern=ID, description="Images to fine-tune on."
    )
    spec: Annotated[dict[str, JsonValue], _LikeASpec] = Field(description="What is wanted, and how.")
    name: str = Field(default="", max_length=200)
    priority: Priority = Field(default=Priority.NORMAL, description="Among the team's waiting jobs.")


class JobChange(Body):
    """What may be changed of a job that waits."""

    priority: Priority


class JobView(View):
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
    priority: Priority
    run_seconds: float = Field(description="Computed so far, over all attempts and workers; waiting is not counted.")
    gpu_seconds: float = Field(description="Of these, on a GPU.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    queue_position: int | None = Field(description="Of a job that waits, from 1: fair between teams, then by priority.")


class EstimateView(View):
    """When a job will begin and end, from what jobs like it took."""

    starts_in_seconds: float | None = Field(description="0 once it runs.")
    ends_in_seconds: float | None = Field(description="Waiting included.")
    reason: str | None = Field(description="Why there is no estimate, or only half of one.")


class JobPage(BaseModel):
    """Some jobs, newest first."""

    items: list[JobView]
    next_cursor: str | None


class EventView(View):
    """Something that happened to a job: of a ``state`` event the new state, of a ``progress`` event the report."""

    id: int
    kind: str
    data: dict[str, Any]


class ArtifactView(View):
    """One file of a finished job."""

    name: str
    media_type: str
    size_bytes: int
    sha256: str


class WorkerView(View):
    """A process that runs jobs."""

    id: str
    host: str
    devices: tuple[str, ...] = Field(description="What it computes on: cpu, cuda.")
    version: str
    state: WorkerState
    job_id: str | None = Field(description="The job of the caller's team that it has.")
    started_at: datetime
    seen_at: datetime


class Workers(BaseModel):
    """All workers that were heard of within a day."""

    items: list[WorkerView]


class Plugins(BaseModel):
    """What a constraint spec may name on this server."""

    families: tuple[str, ...]
    policies: tuple[str, ...]
    criteria: tuple[str, ...]


class Health(BaseModel):
    """Whether the server can work, and which of its parts answer."""

    status: str
    checks: dict[str, bool] = {}
    problems: dict[str, str] = Field(default={}, description="Of the parts that do not: what is wrong.")


class FieldProblem(BaseModel):
    """One field of the request that is wrong."""

    field: str
    detail: str


class Problem(BaseModel):
    """An error, after RFC 9457."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "title": "Conflict",
                    "status": 409,
                    "detail": "2 of 3 parts are missing, the first is 2",
                    "instance": "/api/v1/uploads/upl_01k2v8r3p5q7s9t1v3w5x7y9z1/complete",
                    "code": "upload_incomplete",
                    "errors": [],
                }
            ]
        }
    )

    type: str = Field(description="about:blank, or a URI of the kind of problem.")
    title: str
    status: int
    detail: str = Field(description="What was wrong, where, and what to do.")
    instance: str = Field(description="Path of the request.")
    code: str = Field(description="Stable; what scripts compare.")
    errors: list[FieldProblem] = []
