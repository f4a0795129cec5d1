"""A candidate beside the original, before and after it has learned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One candidate beside the original, on the same images.

    Attributes:
        divergence: mean KL of the original's predictions against the candidate's, in nats.
        accuracy: of the candidate.
        lost: images that only the original gets right.
        won: images that only the candidate gets right.
        samples: images.
    """

    divergence: float
    accuracy: float
    lost: int
    won: int
    samples: int


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """What one candidate has learned by time.

    Attributes:
        state: of the sliced model that has learned.
        images: that it learned from.
        steps: batches that it learned from.
        planned: batches that there was time for.
        seconds: that these steps take, by the speed that was measured at the beginning.
        losses: mean loss from mark to mark.
        before: the candidate, repaired, beside the original.
        after: the same once it has learned.
        is_kept: whether it is delivered as it is after, rather than as before.
    """

    state: Mapping[str, Tensor]
    images: int
    steps: int
    planned: int
    seconds: float
    losses: tuple[float, ...]
    before: Compared
    after: Compared
    is_kept: bool

    @property
    def compared(self) -> Compared:
        """What is delivered, beside the original."""
        return self.after if self.is_kept else self.before
