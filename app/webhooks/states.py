"""What is told, and how far telling it has come."""

from __future__ import annotations

from enum import StrEnum

PING = "ping"
"""Sent when somebody asks for it, whatever a webhook has chosen."""


class EventType(StrEnum):
    """What a webhook may choose to hear of."""

    JOB_SUCCEEDED = "job.succeeded"
    JOB_FAILED = "job.failed"
    JOB_CANCELLED = "job.cancelled"
    UPLOAD_READY = "upload.ready"
    UPLOAD_REJECTED = "upload.rejected"


class DeliveryState(StrEnum):
    """``pending -> delivered | failed``; a replay makes either ``pending`` again."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
