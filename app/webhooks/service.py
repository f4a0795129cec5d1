"""Webhooks for clients. Every query takes the team."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.db import Database, now
from app.errors import Conflict, NotFound, TooManyWebhooks
from app.ids import new_id
from app.paging import Page, decode, page
from app.settings import Settings
from app.teams import audit
from app.teams.members import lock_team
from app.webhooks.addresses import checked_url
from app.webhooks.attempts import last_attempts, last_problem
from app.webhooks.models import AttemptRow, DeliveryRow, WebhookRow
from app.webhooks.outbox import DELIVERY_PREFIX, message
from app.webhooks.queue import disable, locked
from app.webhooks.records import Delivery, Webhook, WithSecret, attempt, delivery, webhook
from app.webhooks.signing import new_secret
from app.webhooks.states import PING, DeliveryState, EventType

WEBHOOK_PREFIX = "whk"
MOST = 20
"""Webhooks of one team: everything that happens is written down once for each."""

OVERLAP = timedelta(hours=24)
"""How long the secret before the newest still signs too."""


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What is to become different of a webhook; None: nothing."""

    url: str | None = None
    description: str | None = None
    events: Sequence[EventType] | None = None
    enabled: bool | None = None


class WebhookService:
    """A team's webhooks."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database, self.settings = database, settings

    def create(self, team: str, url: str, events: Sequence[EventType], description: str = "") -> WithSecret:
        """A new webhook and its secret.

        Raises:
            WebhookUrlRefused: messages may not be sent there.
            TooManyWebhooks: the team has as many as it may have.
        """
        self._check(url)
        row = WebhookRow(
            id=new_id(WEBHOOK_PREFIX), team_id=team, url=url, description=description, events=_names(events),
            enabled=True, secret=new_secret(), created_at=now(), updated_at=now(),
        )  # fmt: skip
        with self.database.session() as session:
            lock_team(session, team)  # two at the same time must not both be the last
            if (session.scalar(select(func.count()).where(WebhookRow.team_id == team)) or 0) >= MOST:
                raise TooManyWebhooks(f"the team has {MOST} webhooks, which is as many as it may have; delete one")
            session.add(row)
            audit.record(session, team, "webhook.create", row.id, url=url)
        return WithSecret(webhook(row), row.secret)

    def all(self, team: str) -> list[Webhook]:
        """The team's webhooks, oldest first."""
        with self.database.session() as session:
            rows = session.scalars(select(WebhookRow).where(WebhookRow.team_id == team).order_by(WebhookRow.id)).all()
            return [webhook(row, last_problem(session, row)) for row in rows]

    def get(self, team: str, webhook_id: str) -> Webhook:
        """One webhook.

        Raises:
            NotFound: the team has none of that id.
        """
        with self.database.session() as session:
            row = _row(session, team, webhook_id)
            return webhook(row, last_problem(session, row))

    def change(self, team: str, webhook_id: str, changes: Changes) -> Webhook:
        """Another address, other events; disable it, or enable it again with nothing held against it.

        Raises:
            WebhookUrlRefused: messages may not be sent there.
        """
        if changes.url is not None:
            self._check(changes.url)
        with self.database.session() as session:
            row = _row(session, team, webhook_id, lock=True)
            row.url = row.url if changes.url is None else changes.url
            row.description = row.description if changes.description is None else changes.description
            row.events = row.events if changes.events is None else _names(changes.events)
            if changes.enabled:
                row.enabled, row.disabled_reason, row.failing_since = True, None, None
            elif changes.enabled is False:
                disable(session, row, None)
            row.updated_at = now()
            audit.record(session, team, "webhook.change", webhook_id, url=row.url, enabled=row.enabled)
            return webhook(row)

    def delete(self, team: str, webhook_id: str) -> None:
        """Forget a webhook and its deliveries."""
        with self.database.session() as session:
            row = _row(session, team, webhook_id, lock=True)
            session.query(DeliveryRow).where(DeliveryRow.webhook_id == webhook_id).delete()
            session.delete(row)
            audit.record(session, team, "webhook.delete", webhook_id, url=row.url)

    def rotate(self, team: str, webhook_id: str) -> WithSecret:
        """A new secret; the one before it goes on to sign beside it for a day, so that receivers can be changed."""
        with self.database.session() as session:
            row = _row(session, team, webhook_id, lock=True)
            row.previous_secret, row.previous_secret_until = row.secret, now() + OVERLAP
            row.secret, row.updated_at = new_secret(), now()
            audit.record(session, team, "webhook.rotate", webhook_id)
            return WithSecret(webhook(row), row.secret)

    def ping(self, team: str, webhook_id: str) -> Delivery:
        """Send an empty message, to test the connection.

        Raises:
            Conflict: the webhook is disabled.
        """
        with self.database.session() as session:
            hook = _row(session, team, webhook_id, lock=True)
            _must_be_enabled(hook)
            row = message(hook.id, PING, {"webhook_id": hook.id})
            session.add(row)
            audit.record(session, team, "webhook.ping", webhook_id)
            return delivery(row)

    def deliveries(
        self,
        team: str,
        webhook_id: str,
        state: DeliveryState | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[Delivery]:
        """A webhook's deliveries, newest first; kept for thirty days."""
        query = select(DeliveryRow).where(DeliveryRow.webhook_id == webhook_id).order_by(DeliveryRow.id.desc())
        if state is not None:
            query = query.where(DeliveryRow.state == state.value)
        if cursor is not None:
            query = query.where(DeliveryRow.id < decode(cursor, DELIVERY_PREFIX))
        with self.database.session() as session:
            _row(session, team, webhook_id)
            rows = session.scalars(query.limit(limit + 1)).all()
            last = last_attempts(session, [row.id for row in rows])
            found = [delivery(row, last=last.get(row.id)) for row in rows]
        return page(found, limit, [one.id for one in found])

    def delivery(self, team: str, webhook_id: str, delivery_id: str) -> Delivery:
        """One delivery with its attempts.

        Raises:
            NotFound: the webhook has none of that id.
        """
        with self.database.session() as session:
            row = _delivery(session, team, webhook_id, delivery_id)
            log = select(AttemptRow).where(AttemptRow.delivery_id == delivery_id).order_by(AttemptRow.id)
            return delivery(row, tuple(attempt(found) for found in session.scalars(log)))

    def replay(self, team: str, webhook_id: str, delivery_id: str) -> Delivery:
        """Send one message again, under the same id: a receiver that has it already recognises it.

        Raises:
            Conflict: it is on its way anyway, or the webhook is disabled.
        """
        with self.database.session() as session:
            _must_be_enabled(_row(session, team, webhook_id, lock=True))
            row = _delivery(session, team, webhook_id, delivery_id)
            if row.state == DeliveryState.PENDING.value:
                raise Conflict("the delivery is pending: it is sent anyway")
            row.state, row.tries, row.not_before, row.finished_at = DeliveryState.PENDING.value, 0, now(), None
            audit.record(session, team, "webhook.replay", webhook_id, delivery=delivery_id)
            return delivery(row)

    def replay_failed(self, team: str, webhook_id: str, since: datetime) -> int:
        """Send all messages again that have failed and are not older than ``since``; returns how many they are.

        Raises:
            Conflict: the webhook is disabled.
        """
        with self.database.session() as session:
            _must_be_enabled(_row(session, team, webhook_id, lock=True))
            failed = update(DeliveryRow).where(
                DeliveryRow.webhook_id == webhook_id,
                DeliveryRow.state == DeliveryState.FAILED.value,
                DeliveryRow.created_at >= since,
            )
            again = {"state": DeliveryState.PENDING.value, "tries": 0, "not_before": now(), "finished_at": None}
            audit.record(session, team, "webhook.replay", webhook_id, since=since.isoformat())
            return session.execute(failed.values(**again)).rowcount  # type: ignore[attr-defined,no-any-return]

    def _check(self, url: str) -> None:
        checked_url(url, private=self.settings.webhook_private_network)


def _names(events: Sequence[EventType]) -> list[str]:
    return sorted({event.value for event in events})


def _must_be_enabled(hook: WebhookRow) -> None:
    if not hook.enabled:
        raise Conflict("the webhook is disabled; enable it first")


def _row(session: Session, team: str, webhook_id: str, *, lock: bool = False) -> WebhookRow:
    row = locked(session, webhook_id) if lock else session.get(WebhookRow, webhook_id)
    if row is None or row.team_id != team:
        raise NotFound(f"there is no webhook {webhook_id[:60]}")
    return row


def _delivery(session: Session, team: str, webhook_id: str, delivery_id: str) -> DeliveryRow:
    _row(session, team, webhook_id)
    row = session.get(DeliveryRow, delivery_id)
    if row is None or row.webhook_id != webhook_id:
        raise NotFound(f"the webhook has no delivery {delivery_id[:60]}")
    return row
