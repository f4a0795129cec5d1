"""What the REST API tells of the service itself."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field, JsonValue

from primesvt_client.schemas.base import View
from primesvt_client.states import WorkerState


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
    """The plug-ins of this server, by kind; of every policy its parameters."""

    families: tuple[str, ...]
    policies: tuple[str, ...]
    criteria: tuple[str, ...]
    repairs: tuple[str, ...]
    exporters: tuple[str, ...]
    policy_params: dict[str, dict[str, JsonValue]] = Field(
        description="Of every policy, the JSON Schema of the `policy_params` that a constraint spec may give it."
    )


class Health(BaseModel):
    """Whether the server can work, and which of its parts answer."""

    status: str
    checks: dict[str, bool] = {}
    problems: dict[str, str] = Field(default={}, description="Of the parts that do not: what is wrong.")
    missing: list[str] = Field(
        default=[], description="Promises of the sandbox that do not hold on the machine of a worker that is there."
    )
