"""Writes deliveries in the transaction in which what they report happens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import now
from app.ids import new_id
from app.webhooks.models import DeliveryRow, WebhookRow
from app.webhooks.states import DeliveryState

DELIVERY_PREFIX = "msg"


def announce(session: Session, team_id: str, event: str, data: Mapping[str, Any]) -> None:
    """Have ``event`` sent to all webhooks of a team that have chosen it."""
    chosen = select(WebhookRow).where(WebhookRow.team_id == team_id, WebhookRow.enabled)
    # Held against deletion until this transaction ends, which must not fail for the sake of a webhook.
    for hook in session.scalars(chosen.with_for_update(read=True, key_share=True)):
        if event in hook.events:
            session.add(message(hook.id, event, data))


def message(webhook_id: str, event: str, data: Mapping[str, Any]) -> DeliveryRow:
    """A delivery that is due at once; its body never changes, whatever becomes of what it reports."""
    at = now()
    body = {"type": event, "timestamp": at.isoformat(), "data": dict(data)}
    return DeliveryRow(
        id=new_id(DELIVERY_PREFIX),
        webhook_id=webhook_id,
        event=event,
        body=json.dumps(body, separators=(",", ":")),
        state=DeliveryState.PENDING.value,
        attempts=0,
        tries=0,
        not_before=at,
        created_at=at,
    )
