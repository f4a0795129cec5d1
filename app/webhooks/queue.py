"""Deliveries for whoever sends them: claim what is due, write down what came of it."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus

from sqlalchemy import ColumnElement, and_, delete, or_, select, update
from sqlalchemy.orm import Session

from app.db import Database, now
from app.turns import distinct, is_state
from app.webhooks.models import LONGEST_EXCERPT, AttemptRow, DeliveryRow, WebhookRow
from app.webhooks.records import Answer, DeliveryClaim
from app.webhooks.states import DeliveryState

WAITS = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 7200.0, 14_400.0, 28_800.0, 28_800.0)
"""Seconds before the second, third … attempt: growing, and about a day in all."""

JITTER = 0.2
"""Part of a wait by which it is shorter or longer, so that a receiver that is back is not met by all at once."""

AT_ONCE = 2
"""Messages on their way to one webhook; a slow one keeps no other waiting."""

TEAM_AT_ONCE = 8
"""Messages on their way of one team: slow webhooks, however many, leave most senders to other teams."""

IS_PENDING = is_state(DeliveryRow.state, DeliveryState.PENDING.value)
LEASE_SECONDS = 120.0
GIVE_UP = timedelta(days=3)
KEPT = timedelta(days=30)
FORGOTTEN_AT_ONCE = 1000


class DeliveryQueue:
    """What senders do to deliveries. They are sent at least once: a sender that dies may have sent one already."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def claim(self, limit: int) -> list[DeliveryClaim]:
        """Take up to ``limit`` deliveries that are due; nobody else gets them before their lease ends."""
        if limit <= 0:
            return []
        with self.database.session() as session:
            chosen = _choose(_due_hooks(session), _on_their_way(session), limit)
            due = select(DeliveryRow).where(DeliveryRow.id.in_(chosen), _is_due()).with_for_update(skip_locked=True)
            rows = {row.id: row for row in session.scalars(due)}
            return [self._taken(session, rows[delivery_id]) for delivery_id in chosen if delivery_id in rows]

    def record(self, claim: DeliveryClaim, answer: Answer) -> None:
        """Write down an attempt: done, to be tried again later, or given up. What comes too late is not written."""
        with self.database.session() as session:
            # The webhook first: giving up one writes to its other deliveries.
            hook = locked(session, claim.webhook_id)
            row = session.get(DeliveryRow, claim.delivery_id, with_for_update=True)
            if hook is None or row is None or row.attempts != claim.attempt or row.lease_expires_at is None:
                return
            row.lease_expires_at = None
            session.add(_logged(claim, answer))
            if is_success(answer):
                hook.failing_since = None
                close(row, DeliveryState.DELIVERED)
            else:
                self._failed(session, hook, row, answer)

    def forget_old(self) -> int:
        """Remove deliveries that ended long ago, some at a time; returns how many."""
        old = select(DeliveryRow.id).where(
            DeliveryRow.state != DeliveryState.PENDING.value, DeliveryRow.finished_at < now() - KEPT
        )
        with self.database.session() as session:
            ids = session.scalars(old.limit(FORGOTTEN_AT_ONCE)).all()
            session.execute(delete(DeliveryRow).where(DeliveryRow.id.in_(ids)))
            return len(ids)

    def _failed(self, session: Session, hook: WebhookRow, row: DeliveryRow, answer: Answer) -> None:
        hook.failing_since = hook.failing_since or now()
        if row.tries > len(WAITS) or not hook.enabled:
            close(row, DeliveryState.FAILED)
        else:
            wait = WAITS[row.tries - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  # no secret
            row.not_before = now() + timedelta(seconds=wait)
        if answer.status == HTTPStatus.GONE:
            disable(session, hook, "it answered 410 Gone")
        elif now() - hook.failing_since > GIVE_UP:
            disable(session, hook, f"no message could be delivered for {GIVE_UP.days} days")

    @staticmethod
    def _taken(session: Session, row: DeliveryRow) -> DeliveryClaim:
        row.attempts, row.tries = row.attempts + 1, row.tries + 1
        row.lease_expires_at = now() + timedelta(seconds=LEASE_SECONDS)
        hook = session.get_one(WebhookRow, row.webhook_id)
        return DeliveryClaim(
            delivery_id=row.id, webhook_id=hook.id, attempt=row.attempts, event=row.event, body=row.body, url=hook.url,
            secrets=live_secrets(hook),
        )  # fmt: skip


def live_secrets(hook: WebhookRow) -> tuple[str, ...]:
    """The secret, and the one before it for as long as receivers may still know only that."""
    until = hook.previous_secret_until
    return (hook.secret, hook.previous_secret) if hook.previous_secret and until and until > now() else (hook.secret,)


def is_success(answer: Answer) -> bool:
    """Whether the receiver has taken the message."""
    return answer.problem is None and answer.status is not None and HTTPStatus(200) <= answer.status < 300


def disable(session: Session, hook: WebhookRow, reason: str | None) -> None:
    """Send a webhook nothing any more; what was on its way has failed, and can be replayed. The row is locked."""
    hook.enabled, hook.disabled_reason, hook.updated_at = False, reason, now()
    session.flush()
    waiting = update(DeliveryRow).where(
        DeliveryRow.webhook_id == hook.id, DeliveryRow.state == DeliveryState.PENDING.value
    )
    session.execute(waiting.values(state=DeliveryState.FAILED.value, finished_at=now()))


def locked(session: Session, webhook_id: str) -> WebhookRow | None:
    """A webhook that nobody else changes meanwhile; new deliveries may be added all the same."""
    return session.get(WebhookRow, webhook_id, with_for_update={"key_share": True})


def close(row: DeliveryRow, state: DeliveryState) -> None:
    """A delivery has ended."""
    row.state, row.finished_at = state.value, now()


def _logged(claim: DeliveryClaim, answer: Answer) -> AttemptRow:
    problem = answer.problem or (None if is_success(answer) else f"the receiver answered {answer.status}")
    return AttemptRow(
        delivery_id=claim.delivery_id, at=now(), status=answer.status, duration_seconds=answer.duration_seconds,
        answer=answer.text[:LONGEST_EXCERPT], problem=problem and problem[:LONGEST_EXCERPT],
    )  # fmt: skip


def _is_due() -> ColumnElement[bool]:
    is_free = or_(DeliveryRow.lease_expires_at.is_(None), DeliveryRow.lease_expires_at < now())
    return and_(IS_PENDING, DeliveryRow.not_before <= now(), is_free)


@dataclass(frozen=True)
class _DueHook:
    """A webhook of a team, and its deliveries that are due first: as many as it may have on their way."""

    team: str
    webhook_id: str
    delivery_ids: Sequence[str]


def _due_hooks(session: Session) -> list[_DueHook]:
    """Webhooks to which a message is due; each costs a few looks into an index, however many messages wait."""
    waiting = distinct(DeliveryRow.webhook_id, IS_PENDING, "waiting")
    due = select(DeliveryRow.id).where(DeliveryRow.webhook_id == waiting.c.value, _is_due())
    first = due.order_by(DeliveryRow.not_before, DeliveryRow.id).limit(1).correlate(waiting)
    columns = [first.offset(place).scalar_subquery() for place in range(AT_ONCE)]
    hooks = select(WebhookRow.team_id, WebhookRow.id, *columns).join(waiting, waiting.c.value == WebhookRow.id)
    rows = session.execute(hooks.where(WebhookRow.enabled))
    return [_DueHook(team, hook, [*filter(None, ids)]) for team, hook, *ids in rows if ids[0] is not None]


def _on_their_way(session: Session) -> dict[str, list[str]]:
    """The team of every message that is being sent, by webhook."""
    is_sent = and_(DeliveryRow.lease_expires_at.is_not(None), DeliveryRow.lease_expires_at >= now(), IS_PENDING)
    rows = select(DeliveryRow.webhook_id, WebhookRow.team_id).join(WebhookRow).where(is_sent)
    found: dict[str, list[str]] = defaultdict(list)
    for hook, team in session.execute(rows):
        found[hook].append(team)
    return found


def _choose(hooks: Iterable[_DueHook], on_their_way: Mapping[str, Sequence[str]], limit: int) -> list[str]:
    """Deliveries to send now: of the team with the fewest on their way, of its webhooks the one with the fewest."""
    of_team = Counter(team for teams in on_their_way.values() for team in teams)
    queues: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for hook in hooks:
        sent = len(on_their_way.get(hook.webhook_id, ()))
        queues[hook.team] += enumerate(hook.delivery_ids[: max(0, AT_ONCE - sent)], sent)
    turns = []
    for team, queue in queues.items():
        room = max(0, TEAM_AT_ONCE - of_team[team])
        turns += [(of_team[team] + place, rest) for place, rest in enumerate(sorted(queue)[:room])]
    return [delivery_id for _, (_, delivery_id) in sorted(turns)[:limit]]
