"""The promise on unseen data: how large may the true loss of accuracy be, given what both models got right?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from primesvt_core.promise.bounds import Paired, drop_upper_bound
from primesvt_core.types import CurvePoint

FIRST_TEST_SHARE = 0.8
"""Share of the error probability that the first candidate may use: it is the one that reaches the target. Those that it
is backed off to, which lose less, divide the rest."""


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
