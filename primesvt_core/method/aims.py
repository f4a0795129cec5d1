"""When what a candidate has learned by time is enough, and which candidates are worth the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from primesvt_core.method.recovered import Compared
from primesvt_core.method.shortlist import Forecast, Measured
from primesvt_core.types import CurvePoint

LIKELY_GAIN = 0.65
"""What repair and learning probably leave of a divergence, before that is known: 0.6 to 0.8 on CIFAR-10."""

BEFORE_LEARNING = 0.7
"""Predicted bound, as a share of the allowed drop, up to which candidates that learn nothing are tested before those
that do: what they deliver if the first of these fails."""

TARGET_SHARE = 0.8
"""The same at which a candidate has learned enough that has to reach a target."""

GENTLE, BOLD = 0.85, 1.0
"""The same of candidates that save as much as they can: of the first, and of one that is deeper once the first has
learned enough. Where it has not, a gentler one follows."""

ENOUGH = 0.6
"""The same at which one of these ends before its time: predictions are often a third too low, and what it learns beyond
what is needed makes its test surer."""

TIMES = (0.5, 1.0)
"""What each of these may use of the time that is left."""


@dataclass(frozen=True, kw_only=True)
class Aim:
    """What is to be reached by learning.

    Attributes:
        expected: predicts bounds of what is measured as it would be delivered.
        allowed_drop: of the budget; None without a limit.
        accuracy: of the original.
        recover_to: accuracy that is wanted; None where nothing beside the budget is.
    """

    expected: Forecast
    allowed_drop: float | None
    accuracy: float
    recover_to: float | None = None

    def is_met(self, one: Measured, share: float) -> bool:
        """Whether a candidate loses little enough, by estimate.

        Args:
            one: the candidate.
            share: of the allowed drop, for the bound.
        """
        estimated = self.accuracy - self.expected.drop(one)
        if self.recover_to is not None and estimated < self.recover_to:
            return False
        if self.allowed_drop is None:
            return self.recover_to is not None
        return self.expected.bound(one) <= share * self.allowed_drop


def worth_learning(
    points: Sequence[Measured], aim: Aim, *, gain: float, share: float, beyond: float = 0.0, short_of: float = 1.0
) -> Measured | None:
    """Of the candidates whose bound will probably be within the allowed drop once they have learned, the deepest.

    Args:
        points: of the curve, as the search measured them.
        aim: has an allowed drop.
        gain: what repair and learning leave of a divergence.
        share: of the allowed drop, for the bound.
        beyond: saving; those that save no more are left alone.
        short_of: saving; those that save as much are.
    """
    assert aim.allowed_drop is not None  # noqa: S101  # without one nothing says how much may be lost
    within = [
        one
        for one in points
        if beyond < one.point.memory_saving < short_of
        and aim.expected.bound(lessened(one, gain)) <= share * aim.allowed_drop
    ]
    return max(within, key=lambda one: one.point.memory_saving, default=None)


def lessened(one: Measured, gain: float) -> Measured:
    """A candidate of whose divergence, and of what differs, so much is left."""
    divergence = None if one.point.divergence is None else gain * one.point.divergence
    return replace(one, point=replace(one.point, divergence=divergence), differing=gain * one.differing)


def measured(point: CurvePoint, found: Compared) -> Measured:
    """A candidate as it was compared."""
    return Measured(point=point, differing=(found.lost + found.won) / found.samples, samples=found.samples)
