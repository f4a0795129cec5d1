"""Events that webhooks are sent, and the states of a delivery."""

from __future__ import annotations

from primesvt_client.states import DeliveryState as DeliveryState
from primesvt_client.states import EventType as EventType
from primesvt_client.states import WebhookState as WebhookState

PING = "ping"
"""Sent when somebody asks for it, whatever a webhook has chosen."""
