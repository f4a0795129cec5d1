"""Webhooks as the rest of the program sees them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.webhooks.models import AttemptRow, DeliveryRow, WebhookRow
from app.webhooks.states import DeliveryState, EventType, WebhookState


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """An address that events are sent to.

    Attributes:
        events: those that it has chosen.
        disabled_reason: why nothing is sent any more; None while it is, or where somebody wanted it so.
        failing_since: the first attempt that failed after the last one that did not.
        last_problem: while it is failing, why the last attempt did.
    """

    id: str
    url: str
    description: str
    events: tuple[EventType, ...]
    enabled: bool
    disabled_reason: str | None
    failing_since: datetime | None
    previous_secret_until: datetime | None
    created_at: datetime
    updated_at: datetime
    last_problem: str | None = None

    @property
    def state(self) -> WebhookState:
        """How it stands."""
        if not self.enabled:
            return WebhookState.SWITCHED_OFF if self.disabled_reason is None else WebhookState.DISABLED
        return WebhookState.ENABLED if self.failing_since is None else WebhookState.FAILING


@dataclass(frozen=True)
class WithSecret:
    """A webhook, and the secret that was just made for it, which is shown this once."""

    webhook: Webhook
    secret: str


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt at a delivery.

    Attributes:
        status: of the answer; None if there was none.
        answer: its first characters.
        problem: why it counts as failed.
    """

    at: datetime
    status: int | None
    duration_seconds: float
    answer: str
    problem: str | None


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One message to one webhook; its id is the ``webhook-id`` that receivers see, the same at every attempt.

    Attributes:
        next_attempt_at: while it is pending.
        last_attempt_at: None before the first.
        last_status: of the last attempt's answer; None if there was none.
        last_problem: why the last attempt counts as failed.
        log: attempts, oldest first; only where one delivery is asked for.
    """

    id: str
    webhook_id: str
    event: str
    body: str
    state: DeliveryState
    attempts: int
    next_attempt_at: datetime | None
    created_at: datetime
    finished_at: datetime | None
    last_attempt_at: datetime | None = None
    last_status: int | None = None
    last_problem: str | None = None
    log: tuple[Attempt, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DeliveryClaim:
    """The right to attempt a delivery, until its lease ends."""

    delivery_id: str
    webhook_id: str
    attempt: int
    event: str
    body: str
    url: str
    secrets: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of an attempt: the answer's status and first characters, or the problem that left none."""

    duration_seconds: float
    status: int | None = None
    text: str = ""
    problem: str | None = None


def webhook(row: WebhookRow, last_problem: str | None = None) -> Webhook:
    """The record of a row."""
    return Webhook(
        id=row.id,
        url=row.url,
        description=row.description,
        events=tuple(EventType(name) for name in row.events),
        enabled=row.enabled,
        disabled_reason=row.disabled_reason,
        failing_since=row.failing_since,
        previous_secret_until=row.previous_secret_until,
        created_at=row.created_at,
        updated_at=row.updated_at,
        last_problem=last_problem,
    )


def delivery(row: DeliveryRow, log: tuple[Attempt, ...] = (), last: Attempt | None = None) -> Delivery:
    """The record of a row; ``last`` is its last attempt, where the log is not given."""
    last = log[-1] if log else last
    state = DeliveryState(row.state)
    return Delivery(
        id=row.id,
        webhook_id=row.webhook_id,
        event=row.event,
        body=row.body,
        state=state,
        attempts=row.attempts,
        next_attempt_at=row.not_before if state is DeliveryState.PENDING else None,
        created_at=row.created_at,
        finished_at=row.finished_at,
        last_attempt_at=last.at if last else None,
        last_status=last.status if last else None,
        last_problem=last.problem if last else None,
        log=log,
    )


def attempt(row: AttemptRow) -> Attempt:
    """The record of a row."""
    return Attempt(
        at=row.at, status=row.status, duration_seconds=row.duration_seconds, answer=row.answer, problem=row.problem
    )
