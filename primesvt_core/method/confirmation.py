"""The paired test on unseen images: the true loss of accuracy must stay within the allowed drop, with confidence."""

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
    """One candidate, tested on the confirmation split.

    Attributes:
        candidate: as the search found it.
        pair: it and the original on the same images.
        upper_bound: of the true drop of accuracy, with the confidence of this test.
        confirmed: whether the bound is within the allowed drop.
    """

    candidate: CurvePoint
    pair: Paired
    upper_bound: float
    confirmed: bool


def confirm(
    first: CurvePoint,
    fallbacks: Sequence[CurvePoint],
    judge: Callable[[CurvePoint], Paired],
    allowed_drop: float | None,
    confidence: float,
) -> tuple[Trial, ...]:
    """Test ``first``; if it is not confirmed, back off to the deepest of ``fallbacks`` that is.

    The fallbacks are bisected, so that few are tested; the error probability is divided among all the trials that could
    be made (Bonferroni), so that the bound holds with ``confidence`` whichever candidate is chosen.

    Args:
        first: the candidate the search prefers.
        fallbacks: ascending in saving, all below ``first``.
        judge: compares a candidate with the original on the confirmation split.
        allowed_drop: None if the accuracy is not bounded; then ``first`` is confirmed.
        confidence: joint, over all the trials.

    Returns:
        The trials in the order they were made; the chosen one is `chosen`.
    """
    error = 1 - confidence
    share = FIRST_TEST_SHARE if fallbacks else 1.0
    trials = [_try(first, judge, allowed_drop, 1 - error * share)]
    if trials[0].confirmed:
        return tuple(trials)
    low, high = 0, len(fallbacks)
    each = error * (1 - share) / max(1, len(fallbacks).bit_length())
    while low < high:
        middle = (low + high) // 2
        trials.append(_try(fallbacks[middle], judge, allowed_drop, 1 - each))
        low, high = (middle + 1, high) if trials[-1].confirmed else (low, middle)
    return tuple(trials)


def _try(
    candidate: CurvePoint, judge: Callable[[CurvePoint], Paired], allowed_drop: float | None, confidence: float
) -> Trial:
    pair = judge(candidate)
    bound = drop_upper_bound(pair, confidence)
    return Trial(
        candidate=candidate, pair=pair, upper_bound=bound, confirmed=allowed_drop is None or bound <= allowed_drop
    )


def chosen(trials: Sequence[Trial]) -> Trial | None:
    """Of the confirmed candidates the one that saves most; None if none is confirmed."""
    return max(
        (trial for trial in trials if trial.confirmed), key=lambda trial: trial.candidate.memory_saving, default=None
    )
