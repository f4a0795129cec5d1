"""The paired test on unseen images: the true loss of accuracy must stay within the allowed drop, with confidence.

Which candidates are tested, in which order, follows from the search alone, before one of them sees a confirmation
image. The procedures, and why they keep the confidence, are in `promise.sequences`.
"""

from __future__ import annotations

from collections.abc import Sequence

from primesvt_core.method.finished_curve import FinishedCurve, likely
from primesvt_core.promise import sequences
from primesvt_core.promise.bounds import Paired, drop_upper_bound
from primesvt_core.promise.family import deepest_within
from primesvt_core.promise.looks import plan_looks
from primesvt_core.promise.provable import smallest_provable
from primesvt_core.promise.sequences import TARGET_SHARE, Claim, fixed_sequence, gate
from primesvt_core.types import FLOAT_SLACK, CurvePoint

POINTS = 4
"""Candidates of a long list that are tested, about: more cost evaluations and hardly deliver more."""

SHORT = 7
"""A list that is no longer is tested as it is."""

Judge = sequences.Judge[CurvePoint]
Trial = sequences.Trial[CurvePoint]


def confirm(
    first: CurvePoint,
    fallbacks: Sequence[CurvePoint],
    judge: Judge,
    allowed_drop: float | None,
    confidence: float,
    *,
    samples: int,
    reaches_target: bool,
    is_shortlist: bool = False,
    step: int = 1,
    by_disagreement: bool = False,
) -> tuple[Trial, ...]:
    """Test candidates on the confirmation split so that the one delivered keeps the drop, with ``confidence``.

    A candidate that reaches the memory target is tested first, and delivered if it can be; if not, gentler ones follow
    (a gate). Without such a candidate the saving is what counts: they are tested from the gentlest upwards (a fixed
    sequence).

    Args:
        first: the candidate the search prefers.
        fallbacks: ascending in saving, all below ``first``.
        judge: compares a candidate with the original on the first images of the confirmation split.
        allowed_drop: None if the accuracy is not bounded; then ``first`` is confirmed.
        confidence: joint, over all the candidates.
        samples: images of the confirmation split.
        reaches_target: whether there is a memory target, and ``first`` reaches it.
        is_shortlist: whether all of these candidates are tested, otherwise a few of them.
        step: images that are judged together.
        by_disagreement: whether what is allowed, and judged, is a disagreement.

    Returns:
        One trial of every candidate that was tested; the one to deliver is `chosen`.
    """
    error = 1 - confidence
    if allowed_drop is None or not first.rates:
        return (_unquestioned(first, judge(first, samples), confidence),)
    looks = plan_looks(samples, allowed_drop, error, step, by_disagreement=by_disagreement)
    claim = Claim(drop=allowed_drop, looks=looks)
    *chain, last = _tested((*fallbacks, first), is_shortlist=is_shortlist)
    if not reaches_target:
        return fixed_sequence((*chain, last), judge, claim, error)
    error_of_chain = error * (1 - TARGET_SHARE) * claim.looks[-1].share
    if smallest_provable(samples, 1 - error_of_chain, by_disagreement=by_disagreement) > allowed_drop:
        chain = []  # nothing could be confirmed with so little error, which the target rather has
    return gate(last, chain, judge, claim, error)


def confirm_of_finished(
    curve: FinishedCurve, judge: Judge, allowed_drop: float, confidence: float, *, samples: int
) -> tuple[Trial, ...]:
    """Test points of a finished curve against another budget, with ``confidence`` for all such budgets together.

    Args:
        curve: of the finished run.
        judge: compares a candidate with the original on the first images of the confirmation split.
        allowed_drop: of the other budget.
        confidence: joint, over all points and budgets.
        samples: images of the confirmation split.
    """
    begin = likely(curve, allowed_drop, confidence=confidence, samples=samples)
    return deepest_within(curve.points, judge, allowed_drop, confidence=confidence, samples=samples, begin=begin)


def _unquestioned(candidate: CurvePoint, pair: Paired, confidence: float) -> Trial:
    """Of a candidate of whose accuracy nothing is asked, or of the original, which loses nothing."""
    bound = drop_upper_bound(pair, confidence) if candidate.rates else 0.0
    return Trial(candidate=candidate, pair=pair, upper_bound=bound, confirmed=True, confidence=confidence)


def _tested(candidates: Sequence[CurvePoint], *, is_shortlist: bool) -> tuple[CurvePoint, ...]:
    return tuple(candidate for candidate in candidates if candidate.rates) if is_shortlist else spaced(candidates)


def spaced(candidates: Sequence[CurvePoint], points: int = POINTS) -> tuple[CurvePoint, ...]:
    """About so many candidates, the last one and others of evenly spaced saving below it; the original is none.

    So few that all can be tested are taken as they are. Those that save nothing and are not the original are tested
    anyway: they are what is delivered if nothing can be pruned.

    Args:
        candidates: ascending in saving.
        points: at most.
    """
    pruned = [candidate for candidate in candidates if candidate.rates]
    if len(pruned) <= SHORT:
        return tuple(pruned)
    wanted = [pruned[-1].memory_saving * part / points for part in range(1, points + 1)]
    places = range(len(pruned))
    nearest = {min(places, key=lambda i, at=saving: abs(pruned[i].memory_saving - at)) for saving in wanted}  # type: ignore[misc]
    whole = [i for i in places if pruned[i].memory_saving == 0.0]
    return tuple(pruned[i] for i in sorted({*whole, *nearest, len(pruned) - 1}))


def chosen(trials: Sequence[Trial]) -> Trial | None:
    """Of the confirmed candidates the one that saves most; None if none is confirmed."""
    return max(
        (trial for trial in trials if trial.confirmed), key=lambda trial: trial.candidate.memory_saving, default=None
    )


def best_unproven(
    first: CurvePoint,
    fallbacks: Sequence[CurvePoint],
    judge: Judge,
    allowed_drop: float,
    confidence: float,
    *,
    samples: int,
    confirmed: Trial | None,
    reaches_target: bool,
    is_shortlist: bool = False,
) -> Trial | None:
    """What to deliver to someone who accepts a result that is not proven; None where a confirmed one is as good.

    That is the deepest of the candidates that `confirm` may test whose measured drop is allowed. Beside a confirmed one
    only a candidate that reaches the memory target is worth it.

    Args:
        first: the candidate the search prefers.
        fallbacks: ascending in saving, all below ``first``.
        judge: compares a candidate with the original on the first images of the confirmation split.
        allowed_drop: of the budget.
        confidence: of the bound that is reported beside the measured drop.
        samples: images of the confirmation split.
        confirmed: the `chosen` one.
        reaches_target: whether there is a memory target, and ``first`` reaches it.
        is_shortlist: as `confirm` was told.

    Returns:
        Its trial on the whole split.
    """
    if confirmed is not None and (not reaches_target or confirmed.candidate == first):
        return None
    for candidate in (first,) if confirmed else reversed(_tested((*fallbacks, first), is_shortlist=is_shortlist)):
        pair = judge(candidate, samples)
        if is_within(pair, allowed_drop):
            return without_proof(candidate, pair, confidence)
    return None


def without_proof(candidate: CurvePoint, pair: Paired, confidence: float) -> Trial:
    """The trial, on the whole split, of a candidate that is delivered although it is not confirmed."""
    bound = drop_upper_bound(pair, confidence)
    return Trial(candidate=candidate, pair=pair, upper_bound=bound, confirmed=False, confidence=confidence)


def is_within(pair: Paired, allowed_drop: float) -> bool:
    """Whether the measured drop is allowed."""
    return pair.drop <= allowed_drop + FLOAT_SLACK
