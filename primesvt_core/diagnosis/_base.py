"""What one look finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """What a finding means for whoever asks."""

    GOOD = "good"
    NOTED = "noted"
    """As it is, for whoever reads a report of a fault; or something is absent that not everybody needs."""
    BAD = "bad"
    """Something does not work; the detail says what to do."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        part: ``versions``, ``threads``, ``gpu``, ``database`` ...
        state: what it means.
        detail: what was found; of what is bad also what to do.
    """

    part: str
    state: State
    detail: str
