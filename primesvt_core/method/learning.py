"""Which candidates of a run learn by time, and what is tested once they have.

With a target, or where the rates are given, it is the candidate that the search prefers. Otherwise two at most that
are deeper than what would hold as it is, the second chosen by what the first has come to; before them those are tested
that will hold without learning, so that something is delivered even if the first of them fails. All of that follows
from the search split: nothing has seen a confirmation image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from primesvt_core.errors import SpecError
from primesvt_core.method import shortlist
from primesvt_core.method.aims import (
    BEFORE_LEARNING,
    BOLD,
    ENOUGH,
    GENTLE,
    LIKELY_GAIN,
    TARGET_SHARE,
    TIMES,
    Aim,
    measured,
    worth_learning,
)
from primesvt_core.method.candidates import Candidates
from primesvt_core.method.recovered import Compared, Recovered
from primesvt_core.method.recovering import Recovery
from primesvt_core.method.search import Found, Goal
from primesvt_core.method.shortlist import Forecast, Measured
from primesvt_core.method.steps import StepProgress
from primesvt_core.method.told import candidate_facts
from primesvt_core.types import CurvePoint, Rates


def aim_of(candidates: Candidates, goal: Goal, points: Sequence[Measured] = ()) -> Aim:
    """What candidates of a run are to reach by learning.

    Args:
        candidates: of the run.
        goal: of the run.
        points: of the curve, which say what a divergence costs.
    """
    samples = len(candidates.images.splits.confirmation)
    forecast = shortlist.of_disagreement if goal.by_disagreement else shortlist.forecast
    return Aim(
        expected=forecast(points, confidence=candidates.spec.confidence, samples=samples),
        allowed_drop=goal.allowed_drop,
        accuracy=candidates.original_accuracy(),
        recover_to=candidates.spec.fine_tuning.recover_to,
    )


def check_recoverable(candidates: Candidates) -> None:
    """Refuse an accuracy that the original, who teaches, does not have itself.

    Raises:
        SpecError: with the original's.
    """
    wanted, own = candidates.spec.fine_tuning.recover_to, candidates.original_accuracy()
    if wanted is not None and wanted > own:
        raise SpecError(
            f"the accuracy to recover to is {wanted:.2%}, but the original model reaches {own:.2%} on this data set;"
            " lower recover_to",
            facts={"accuracy": own},
        )


def best_learns(found: Found, aim: Aim, recovery: Recovery, progress: StepProgress) -> Found:
    """Have the candidate learn that the search prefers."""
    best = found.search.best
    if not best.rates:
        return found
    learned = _tuned(best.rates, aim, TARGET_SHARE, recovery.settings.time_limit, recovery, progress)
    if best.divergence is None:  # of a search by accuracy, whose figures are of the whole split
        return found
    point = recovery.divergences.point(best.rates, learned.compared)
    return replace(found, search=replace(found.search, best=point))


def deeper_ones_learn(
    found: Found, points: Sequence[Measured], expected: Forecast, aim: Aim, recovery: Recovery, progress: StepProgress
) -> Found:
    """Have candidates learn that are deeper than what would hold without.

    Args:
        found: by the search.
        points: of the curve, ascending in saving.
        expected: predicts the bounds of those that learn nothing.
        aim: has an allowed drop.
        recovery: has candidates learn.
        progress: of the step.
    """
    assert aim.allowed_drop is not None  # noqa: S101  # which a search without a target has
    left, gain = recovery.settings.time_limit, LIKELY_GAIN
    met, missed = 0.0, 1.0  # savings of the deepest that has learned enough, and of the gentlest that has not
    deep: list[CurvePoint] = []
    for part in TIMES:
        share = BOLD if met else GENTLE
        one = worth_learning(points, aim, gain=gain, share=share, beyond=met, short_of=missed)
        if one is None:
            break
        learned = _tuned(one.point.rates, aim, ENOUGH, left * part, recovery, progress)
        left -= learned.seconds
        gain = learned.compared.divergence / one.divergence if one.divergence else gain
        point = recovery.divergences.point(one.point.rates, learned.compared)
        if learned.is_kept:
            deep.append(point)
        if aim.is_met(measured(point, learned.compared), share):
            met = point.memory_saving
        else:
            missed = point.memory_saving
    deep.sort(key=lambda point: point.memory_saving)
    if not deep:
        return found
    safe = [
        point
        for point in shortlist.spaced(points, expected, aim.allowed_drop, BEFORE_LEARNING)
        if point.memory_saving < deep[0].memory_saving
    ]
    *gentler, best = [*safe, *deep]
    return replace(found, search=replace(found.search, best=best, fallbacks=tuple(gentler)))


def _tuned(
    rates: Rates, aim: Aim, share: float, seconds: float, recovery: Recovery, progress: StepProgress
) -> Recovered:
    def is_enough(found: Compared) -> bool:
        return aim.is_met(measured(recovery.divergences.point(rates, found), found), share)

    learned = recovery.tune(rates, seconds, is_enough, progress.note)
    point = recovery.divergences.point(rates, learned.compared)
    by_disagreement = aim.expected.of_disagreement
    progress.update(candidate_facts(point.outcome, by_disagreement=by_disagreement, divergence=point.divergence))
    return learned
