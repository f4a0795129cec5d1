"""Whether a candidate stays within an allowed drop; beyond it, as soon as the images left cannot change that."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from primesvt_core.types import FLOAT_SLACK


class Answer(Enum):
    """What is known so far."""

    WITHIN = "within"
    BEYOND = "beyond"
    OPEN = "open"
    """More images are needed."""
    CLOSE = "close"
    """All images are counted, and the drop is so near to what is allowed that the reference must decide."""


@dataclass(frozen=True, kw_only=True)
class Tally:
    """A candidate on the images that were counted so far, of ``total``."""

    right: int
    seen: int
    total: int

    @classmethod
    def of(cls, blocks: Iterable[Iterable[bool]], total: int) -> Tally:
        """Count correctness bits, block by block."""
        bits = [bit for block in blocks for bit in block]
        return cls(right=sum(bits), seen=len(bits), total=total)

    @property
    def left(self) -> int:
        """Images that were not counted."""
        return self.total - self.seen

    @property
    def is_complete(self) -> bool:
        """Whether all images were counted."""
        return self.left == 0

    @property
    def accuracy(self) -> float:
        """Of all images; the highest that is possible while some are not counted."""
        return (self.right + self.left) / self.total


def answer(original_right: int, tally: Tally, allowed_drop: float, margin: int = 0) -> Answer:
    """Whether the candidate's accuracy is at most ``allowed_drop`` below the original's.

    A candidate is found beyond it before all images are counted, and within it only after: what is accepted has its
    whole accuracy, and what is known in part has lost too much.

    Args:
        original_right: images that the original gets right, of all.
        tally: of the candidate.
        allowed_drop: as a fraction of all images.
        margin: images by which the drop may be miscounted, since an engine rounds otherwise than the reference.
    """
    allowed = allowed_drop * tally.total + FLOAT_SLACK * tally.total
    if original_right - tally.right - tally.left > allowed + margin:
        return Answer.BEYOND
    if not tally.is_complete:
        return Answer.OPEN
    return Answer.WITHIN if original_right - tally.right <= allowed - margin else Answer.CLOSE


def margin_of(differing: int, compared: int, total: int) -> int:
    """Images by which two engines may count a candidate differently.

    The upper 95 % bound of how often they differ (the rule of three where they never did), times the images, rounded
    up.

    Args:
        differing: predictions that differed.
        compared: predictions that were compared.
        total: images of the split.
    """
    share = (differing + 3 + 2 * differing**0.5) / compared if compared else 1.0
    return -(-int(1000 * min(1.0, share) * total) // 1000)
