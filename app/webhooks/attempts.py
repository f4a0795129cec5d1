"""The last attempts at deliveries: what lists say of how they stand."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.webhooks.models import AttemptRow, DeliveryRow, WebhookRow
from app.webhooks.records import Attempt, attempt


def last_attempts(session: Session, delivery_ids: Sequence[str]) -> dict[str, Attempt]:
    """The last attempt at each of the deliveries at which there was any."""
    newest = select(func.max(AttemptRow.id)).where(AttemptRow.delivery_id.in_(delivery_ids))
    rows = session.scalars(select(AttemptRow).where(AttemptRow.id.in_(newest.group_by(AttemptRow.delivery_id))))
    return {row.delivery_id: attempt(row) for row in rows}


def last_problem(session: Session, hook: WebhookRow) -> str | None:
    """Why the last attempt of a webhook that is failing did."""
    if hook.failing_since is None:
        return None
    failed = select(AttemptRow.problem).join(DeliveryRow, DeliveryRow.id == AttemptRow.delivery_id)
    failed = failed.where(DeliveryRow.webhook_id == hook.id, AttemptRow.problem.is_not(None))
    return session.scalar(failed.order_by(AttemptRow.id.desc()).limit(1))
