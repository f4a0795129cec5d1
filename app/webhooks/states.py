"""What is told, and how far telling it has come."""

from __future__ import annotations

from primesvt_client.states import DeliveryState as DeliveryState
from primesvt_client.states import EventType as EventType

PING = "ping"
"""Sent when somebody asks for it, whatever a webhook has chosen."""
