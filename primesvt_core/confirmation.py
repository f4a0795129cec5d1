"""The promise on unseen data: how large may the true loss of accuracy be, given what both models got right?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scipy.optimize import brentq
from scipy.stats import norm

from primesvt_core.types import CurvePoint

FIRST_TEST_SHARE = 0.8
"""Share of the error probability that the first candidate may use: it is the one that reaches the target. Those that it
is backed off to, which lose less, divide the rest."""


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


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One candidate put to the test."""

    candidate: CurvePoint
    pair: Paired
    upper_bound: float
    held: bool


def confirm(
    first: CurvePoint,
    fallbacks: Sequence[CurvePoint],
    judge: Callable[[CurvePoint], Paired],
    allowed_drop: float | None,
    confidence: float,
) -> tuple[Trial, ...]:
    """Test ``first``; if the promise fails, back off to the deepest of ``fallbacks`` for which it holds.

    The fallbacks are bisected, so that few are tested; the error probability is divided among all the trials that could
    be made (Bonferroni), so that the promise holds with ``confidence`` whichever candidate is chosen.

    Args:
        first: the candidate the search prefers.
        fallbacks: ascending in saving, all below ``first``.
        judge: compares a candidate with the original on the confirmation split.
        allowed_drop: None if the accuracy is not bounded; then ``first`` holds.
        confidence: joint, over all the trials.

    Returns:
        The trials in the order they were made; the chosen one is `chosen`.
    """
    error = 1 - confidence
    share = FIRST_TEST_SHARE if fallbacks else 1.0
    trials = [_try(first, judge, allowed_drop, 1 - error * share)]
    if trials[0].held:
        return tuple(trials)
    low, high = 0, len(fallbacks)
    each = error * (1 - share) / max(1, len(fallbacks).bit_length())
    while low < high:
        middle = (low + high) // 2
        trials.append(_try(fallbacks[middle], judge, allowed_drop, 1 - each))
        low, high = (middle + 1, high) if trials[-1].held else (low, middle)
    return tuple(trials)


def _try(
    candidate: CurvePoint, judge: Callable[[CurvePoint], Paired], allowed_drop: float | None, confidence: float
) -> Trial:
    pair = judge(candidate)
    bound = drop_upper_bound(pair, confidence)
    return Trial(candidate=candidate, pair=pair, upper_bound=bound, held=allowed_drop is None or bound <= allowed_drop)


def chosen(trials: Sequence[Trial]) -> Trial | None:
    """Of the candidates for which the promise holds, the one that saves most; None if it holds for none."""
    return max((trial for trial in trials if trial.held), key=lambda trial: trial.candidate.memory_saving, default=None)
