"""Bounds of the true loss of accuracy, given what both models got right on the same images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.optimize import brentq
from scipy.stats import norm


@dataclass(frozen=True, kw_only=True)
class Paired:
    """Two models on the same images.

    Attributes:
        samples: images.
        lost: images that only the original gets right.
        won: images that only the pruned model gets right.
    """

    samples: int
    lost: int
    won: int

    @property
    def drop(self) -> float:
        """Accuracy of the original minus accuracy of the pruned model."""
        return (self.lost - self.won) / self.samples


def paired(before: Sequence[bool], after: Sequence[bool]) -> Paired:
    """Count what two models got right on the same images."""
    both = list(zip(before, after, strict=True))
    return Paired(samples=len(both), lost=sum(b and not a for b, a in both), won=sum(a and not b for b, a in both))


def drop_upper_bound(pair: Paired, confidence: float) -> float:
    """One-sided upper confidence bound of the true drop: the score interval for paired proportions.

    Tango, Statistics in Medicine 17:891 (1998): the drop at which the score statistic equals the normal quantile. It
    holds where the usual interval fails, with few or no images on which the models differ.
    """
    quantile = float(norm.ppf(confidence))
    low, high = pair.drop, 1.0 - 1e-12
    if _score(pair, high) > -quantile:
        return 1.0
    return float(brentq(lambda drop: _score(pair, drop) + quantile, low, high, xtol=1e-12))


def _score(pair: Paired, drop: float) -> float:
    """Score statistic of the hypothesis that the true drop is ``drop``; falls from positive to negative."""
    n, lost, won = pair.samples, pair.lost, pair.won
    # Most likely probability of a won image under the hypothesis: the positive root of a q^2 + b q + c.
    a = 2.0 * n
    b = -lost - won + (2 * n - lost + won) * drop
    c = -won * drop * (1 - drop)
    q = (math.sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
    variance = n * (2 * q + drop * (1 - drop))
    difference = lost - won - n * drop
    if variance <= 0:
        return 0.0 if difference == 0 else math.copysign(math.inf, difference)
    return difference / math.sqrt(variance)
