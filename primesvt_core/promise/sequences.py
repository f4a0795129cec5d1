"""Procedures that test several candidates and deliver one, with one error for all of them.

What is promised: whichever candidate is delivered, the probability that its true drop exceeds what is allowed is at
most ``error``. Candidates, their order, looks and shares are fixed before the first is judged on these images; nothing
is assumed of how their drops relate, in particular not that more saving means more drop.

Call a candidate bad if its true drop exceeds what is allowed. `examine` confirms a bad one with at most the error that
it is given. Then

- `fixed_sequence` errs with at most ``error``: to confirm any bad candidate it has to confirm the first bad one in its
  order, since it stops at the first that is not confirmed, and that one test errs with at most ``error`` (Pareto
  testing, arXiv 2210.07913).
- `gate` errs with at most ``error``. Let it err. If the chain has a bad candidate, then the target was confirmed at its
  share, or the chain's first bad candidate at the chain's share: had it not been confirmed, the chain would have ended
  there, and the target not been tested again. The two have at most the error together. If the chain has none, the
  target is bad and was confirmed with its share or, the chain through, with the whole error; the first implies the
  second.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from primesvt_core.promise.bounds import Paired, drop_lower_bound, drop_upper_bound
from primesvt_core.promise.looks import Look

TARGET_SHARE = 0.8
"""Of the error, for the candidate that reaches the target; the chain has the rest."""

FUTILE_CONFIDENCE = 0.99
"""A candidate is rejected before all images are seen once its drop exceeds what is allowed with this confidence."""

C = TypeVar("C")

Judge = Callable[[C, int], Paired]
"""A candidate and the original on the first so many images of a fixed order."""


@dataclass(frozen=True, kw_only=True)
class Trial(Generic[C]):
    """One candidate, tested.

    Attributes:
        candidate: as it was given.
        pair: it and the original, on the images that were seen until the answer was clear.
        upper_bound: of the true drop, at the level of the look that gave the answer.
        confirmed: whether the bound is within the allowed drop.
        confidence: of the last look: a bound from all images, at this confidence, holds beside ``upper_bound``.
    """

    candidate: C
    pair: Paired
    upper_bound: float
    confirmed: bool
    confidence: float


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What is to be shown of candidates: that the true drop is at most ``drop``, by these looks."""

    drop: float
    looks: tuple[Look, ...]


def examine(candidate: C, judge: Judge[C], claim: Claim, error: float) -> Trial[C]:
    """Look at a candidate until it is confirmed, clearly beyond the drop, or all images are seen.

    A candidate that drops by more is confirmed with at most ``error``: each look errs with at most its share.
    """
    confidence = 1 - error * claim.looks[-1].share
    for look in claim.looks:
        pair = judge(candidate, look.samples)
        level = 1 - error * look.share if look.share else confidence
        bound = drop_upper_bound(pair, level)
        confirmed = look.share > 0 and bound <= claim.drop
        if confirmed or look is claim.looks[-1] or drop_lower_bound(pair, FUTILE_CONFIDENCE) > claim.drop:
            break
    return Trial(candidate=candidate, pair=pair, upper_bound=bound, confirmed=confirmed, confidence=confidence)


def fixed_sequence(candidates: Sequence[C], judge: Judge[C], claim: Claim, error: float) -> tuple[Trial[C], ...]:
    """Test candidates in order, from the gentlest upwards, each with the whole error, until one is not confirmed."""
    trials: list[Trial[C]] = []
    for candidate in candidates:
        trials.append(examine(candidate, judge, claim, error))
        if not trials[-1].confirmed:
            break
    return tuple(trials)


def gate(
    target: C, chain: Sequence[C], judge: Judge[C], claim: Claim, error: float, share: float = TARGET_SHARE
) -> tuple[Trial[C], ...]:
    """Test the candidate that reaches the target first; if it is not confirmed, a chain of gentler ones.

    A chain that is confirmed to its end hands its share on: the target is tested again, with the whole error.

    Args:
        target: the candidate to deliver if it can be.
        chain: others, from the gentlest upwards.
        judge: compares a candidate with the original.
        claim: what is to be shown.
        error: of the whole procedure.
        share: of the error, for the target.

    Returns:
        One trial of every candidate that was tested, the target's first unless it was tested again.
    """
    if not chain:
        return (examine(target, judge, claim, error),)
    with_all = examine(target, judge, claim, error)
    with_share = examine(target, judge, claim, error * share)
    if (
        with_share.confirmed and with_all.confirmed
    ):  # the exact bound may, rarely, be smaller where less error is allowed
        return (with_share,)
    trials = fixed_sequence(chain, judge, claim, error * (1 - share))
    if all(trial.confirmed for trial in trials):
        return (*trials, with_all)
    return (with_share, *trials)
