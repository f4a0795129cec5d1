"""Priorities of jobs."""

from __future__ import annotations

from enum import StrEnum


class Priority(StrEnum):
    """Among the waiting jobs of one team."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"

    @property
    def rank(self) -> int:
        """What is stored: the higher, the sooner."""
        return [*Priority].index(self) - 1

    @classmethod
    def of_rank(cls, rank: int) -> Priority:
        """The priority that is stored as ``rank``."""
        return (cls.LOW, cls.NORMAL, cls.HIGH)[rank + 1]
