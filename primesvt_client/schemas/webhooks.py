"""What the API takes and gives of webhooks; the Python client uses the same models."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from primesvt_client.schemas.base import Moment
from primesvt_client.spec_types import TEXT
from primesvt_client.states import DeliveryState, EventType, WebhookState

LONGEST_URL = 2000
Url = Annotated[str, Field(min_length=1, max_length=LONGEST_URL, pattern=TEXT, description="https://…")]
Description = Annotated[str, Field(max_length=200, pattern=TEXT, description="For people.")]
Events = Annotated[list[EventType], Field(min_length=1, max_length=50, description="What it is told of.")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _View(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class NewWebhook(_Body):
    """An address that is to be told what happens."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"url": "https://hooks.example.org/primesvt", "events": ["job.succeeded", "job.failed"]}]
        }
    )

    url: Url
    events: Events
    description: Description = ""


class WebhookChanges(_Body):
    """What is to become different; what is absent or null stays as it is."""

    url: Url | None = None
    events: Events | None = None
    description: Description | None = None
    enabled: StrictBool | None = Field(default=None, description="Enabling forgets what went wrong before.")


class ReplaySince(_Body):
    """Which messages to send again."""

    since: Moment = Field(description="Failed messages that are not older; with a UTC offset.")


class WebhookView(_View):
    """An address that is told what happens."""

    id: str
    url: str
    description: str
    events: tuple[EventType, ...]
    enabled: bool
    state: WebhookState = Field(default=WebhookState.ENABLED, description="How it stands.")
    disabled_reason: str | None = Field(description="Why it is told nothing any more.")
    failing_since: datetime | None = Field(description="First failure after the last success.")
    last_problem: str | None = Field(default=None, description="While it is failing, why the last attempt did.")
    previous_secret_until: datetime | None = Field(description="Until then messages carry two signatures.")
    created_at: datetime
    updated_at: datetime


class WebhookWithSecret(WebhookView):
    """A webhook and its new secret."""

    secret: str = Field(description="whsec_…; shown this once. Signs after Standard Webhooks.")


class Webhooks(BaseModel):
    """All webhooks of the team, oldest first."""

    items: list[WebhookView]


class AttemptView(_View):
    """One attempt at a delivery."""

    at: datetime
    status: int | None = Field(description="Of the answer; null if there was none.")
    duration_seconds: float
    answer: str = Field(description="Its first characters.")
    problem: str | None = Field(description="Why it counts as failed.")


class DeliveryView(_View):
    """One message to one webhook."""

    id: str = Field(description="The message's webhook-id, the same at every attempt.")
    webhook_id: str
    event: str
    state: DeliveryState
    attempts: int
    next_attempt_at: datetime | None
    created_at: datetime
    finished_at: datetime | None
    last_attempt_at: datetime | None = Field(default=None, description="Null before the first.")
    last_status: int | None = Field(default=None, description="Of the last answer; null if there was none.")
    last_problem: str | None = Field(default=None, description="Why the last attempt counts as failed.")


class DeliveryLog(DeliveryView):
    """One message, what it says, and every attempt at it."""

    body: str = Field(description="As it is sent.")
    log: tuple[AttemptView, ...]


class DeliveryPage(BaseModel):
    """Some deliveries, newest first."""

    items: list[DeliveryView]
    next_cursor: str | None


class Replayed(BaseModel):
    """How many messages are sent again."""

    deliveries: int
