"""Webhooks of the team, through the client."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from primesvt_client.connection import Connection
from primesvt_client.schemas.webhooks import (
    DeliveryLog,
    DeliveryPage,
    DeliveryView,
    Replayed,
    Webhooks,
    WebhookView,
    WebhookWithSecret,
)
from primesvt_client.states import DeliveryState, EventType


class WebhookClient:
    """What a client can do with webhooks; `primesvt_client.Client.webhooks`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(self, url: str, events: Sequence[EventType], description: str = "") -> WebhookWithSecret:
        """Create a webhook; the secret is shown only once. Never retried, which would make two."""
        body = {"url": url, "events": [event.value for event in events], "description": description}
        return self._connection.post_once(WebhookWithSecret, "webhooks", body)

    def all(self) -> list[WebhookView]:
        """The team's webhooks, oldest first."""
        return self._connection.get(Webhooks, "webhooks").items

    def get(self, webhook_id: str) -> WebhookView:
        """One webhook."""
        return self._connection.get(WebhookView, f"webhooks/{webhook_id}")

    def change(self, webhook_id: str, **changes: Any) -> WebhookView:
        """Change ``url``, ``events``, ``description`` or ``enabled``."""
        return self._connection.patch(WebhookView, f"webhooks/{webhook_id}", changes)

    def delete(self, webhook_id: str) -> None:
        """Delete a webhook and its deliveries."""
        self._connection.send("DELETE", f"webhooks/{webhook_id}")

    def rotate(self, webhook_id: str) -> WebhookWithSecret:
        """A new secret; the one before it signs too for a day. Sent once: twice would end that one."""
        return self._connection.post_once(WebhookWithSecret, f"webhooks/{webhook_id}/rotate")

    def ping(self, webhook_id: str) -> DeliveryView:
        """Send a test event."""
        return self._connection.post(DeliveryView, f"webhooks/{webhook_id}/ping")

    def deliveries(self, webhook_id: str, state: DeliveryState | None = None) -> Iterator[DeliveryView]:
        """The deliveries of a webhook, newest first."""
        params: dict[str, str] = {"state": state.value} if state else {}
        while True:
            page = self._connection.get(DeliveryPage, f"webhooks/{webhook_id}/deliveries", params)
            yield from page.items
            if page.next_cursor is None:
                return
            params["cursor"] = page.next_cursor

    def delivery(self, webhook_id: str, delivery_id: str) -> DeliveryLog:
        """One message and every attempt at it."""
        return self._connection.get(DeliveryLog, f"webhooks/{webhook_id}/deliveries/{delivery_id}")

    def replay(self, webhook_id: str, delivery_id: str) -> DeliveryView:
        """Send one message again."""
        return self._connection.post_once(DeliveryView, f"webhooks/{webhook_id}/deliveries/{delivery_id}/replay")

    def replay_failed(self, webhook_id: str, since: datetime) -> int:
        """Resend all deliveries that have failed since a time; returns their number."""
        body = {"since": since.isoformat()}
        return self._connection.post(Replayed, f"webhooks/{webhook_id}/replay", body).deliveries
