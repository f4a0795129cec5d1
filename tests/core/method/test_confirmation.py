"""Confirmation: which candidates are tested, and which is delivered."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from primesvt_core.method.confirmation import POINTS, Trial, best_unproven, chosen, confirm, spaced
from primesvt_core.promise.bounds import Paired, drop_upper_bound
from primesvt_core.types import CurvePoint

SAMPLES = 900


def point(saving: float) -> CurvePoint:
    rates = {"g": saving} if saving else {}
    return CurvePoint(rates=rates, accuracy=0.9, accuracy_drop=0.0, parameter_bytes=100, memory_saving=saving)


START = point(0.0)
FALLBACKS = tuple(point(saving / 10) for saving in range(8))
BEST = point(0.8)


def losing(lost: Callable[[float], float]) -> Callable[[CurvePoint, int], Paired]:
    """Candidates that lose a share of the images which depends on their saving."""
    return lambda candidate, samples: Paired(
        samples=samples, lost=round(lost(candidate.memory_saving) * samples), won=0
    )


def judged(
    lost: Callable[[float], float], *, reaches_target: bool, allowed: float | None = 0.03, samples: int = SAMPLES
) -> tuple[Trial, ...]:
    return confirm(BEST, FALLBACKS, losing(lost), allowed, 0.95, samples=samples, reaches_target=reaches_target)


def savings(trials: tuple[Trial, ...]) -> list[float]:
    return [trial.candidate.memory_saving for trial in trials]


def test_a_target_that_is_confirmed_is_tested_alone() -> None:
    assert savings(judged(lambda _: 0.01, reaches_target=True)) == [0.8]


def test_without_a_target_candidates_are_tested_from_the_gentlest_upwards() -> None:
    trials = judged(lambda _: 0.01, reaches_target=False)
    assert savings(trials) == [0.2, 0.4, 0.6, 0.8]
    assert {trial.upper_bound for trial in trials} == {drop_upper_bound(trials[0].pair, 0.95)}


@pytest.mark.parametrize(
    ("limit", "of_gate", "of_sequence"),
    [
        (0.1, [0.8, 0.2], [0.2]),
        (0.25, [0.8, 0.2, 0.4], [0.2, 0.4]),
        (0.45, [0.8, 0.2, 0.4, 0.6], [0.2, 0.4, 0.6]),
        (0.65, [0.2, 0.4, 0.6, 0.8], [0.2, 0.4, 0.6, 0.8]),
    ],
)
def test_the_deepest_that_is_confirmed_is_delivered(
    limit: float, of_gate: list[float], of_sequence: list[float]
) -> None:
    for reaches_target, wanted in ((True, of_gate), (False, of_sequence)):
        trials = judged(lambda saving: 0.0 if saving <= limit else 0.2, reaches_target=reaches_target)
        assert savings(trials) == wanted
        kept = chosen(trials)
        deepest = max((saving for saving in (0.2, 0.4, 0.6) if saving <= limit), default=None)
        assert (kept.candidate.memory_saving if kept else None) == deepest


def test_nothing_is_believed_of_how_drops_relate() -> None:
    """A deep candidate that loses nothing is not reached past a gentle one that loses much."""
    assert savings(judged(lambda saving: 0.2 if saving < 0.3 else 0.0, reaches_target=False)) == [0.2]
    assert chosen(judged(lambda saving: 0.2 if saving < 0.3 else 0.0, reaches_target=False)) is None


def test_the_target_has_all_of_the_error_where_a_fifth_of_it_proves_nothing() -> None:
    """3 points of 120 images: 2.5 are provable at 95 %, 3.8 at 99 %."""
    [only] = judged(lambda _: 0.05, reaches_target=True, samples=120)
    assert only.upper_bound == drop_upper_bound(only.pair, 0.95)
    assert len(judged(lambda _: 0.05, reaches_target=True, samples=300)) == 2


def test_without_an_accuracy_floor_nothing_is_to_be_shown() -> None:
    [only] = judged(lambda _: 0.5, reaches_target=True, allowed=None)
    assert (only.candidate, only.confirmed) == (BEST, True)


def test_the_original_needs_no_test() -> None:
    [only] = confirm(START, (), losing(lambda _: 0.0), 1e-9, 0.95, samples=SAMPLES, reaches_target=False)
    assert (only.confirmed, only.upper_bound) == (True, 0.0)


def test_all_of_a_shortlist_is_tested_however_long_it_is() -> None:
    trials = confirm(
        BEST, FALLBACKS, losing(lambda saving: 0.0 if saving < 0.75 else 0.2), 0.03, 0.95,
        samples=SAMPLES, reaches_target=False, is_shortlist=True,
    )  # fmt: skip
    assert savings(trials) == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    kept = chosen(trials)
    assert kept
    assert kept.candidate.memory_saving == 0.7


def test_points_are_spaced_in_saving_and_end_with_the_last() -> None:
    assert [p.memory_saving for p in spaced((*FALLBACKS, BEST))] == [0.2, 0.4, 0.6, 0.8]
    uneven = [START, *(point(saving) for saving in (0.1, 0.11, 0.12, 0.13, 0.14, 0.75, 0.76)), BEST]
    assert [p.memory_saving for p in spaced(uneven)] == [0.14, 0.75, 0.8]
    assert spaced((START, BEST)) == (BEST,)
    near = [START, point(0.7), point(0.75), point(0.78), BEST]
    assert [*spaced(near)] == near[1:]
    assert len(spaced([point(saving / 100) for saving in range(100)])) == POINTS


def unproven(lost: Callable[[float], float], *, reaches_target: bool) -> Trial | None:
    trials = judged(lost, reaches_target=reaches_target)
    return best_unproven(
        BEST, FALLBACKS, losing(lost), 0.03, 0.95,
        samples=SAMPLES, confirmed=chosen(trials), reaches_target=reaches_target,
    )  # fmt: skip


def test_without_proof_the_deepest_is_delivered_whose_measured_drop_is_allowed() -> None:
    found = unproven(lambda saving: 0.029 if saving <= 0.6 else 0.05, reaches_target=False)
    assert found is not None
    assert (found.candidate.memory_saving, found.confirmed) == (0.6, False)
    assert found.upper_bound == drop_upper_bound(found.pair, 0.95)
    assert unproven(lambda _: 0.05, reaches_target=False) is None


@pytest.mark.parametrize("reaches_target", [True, False])
def test_a_confirmed_candidate_is_better_unless_the_target_is_missed(*, reaches_target: bool) -> None:
    found = unproven(lambda saving: 0.0 if saving <= 0.4 else 0.029, reaches_target=reaches_target)
    assert (found is not None) is reaches_target
    assert found is None or found.candidate == BEST
    assert unproven(lambda saving: 0.0 if saving <= 0.4 else 0.05, reaches_target=reaches_target) is None
    assert unproven(lambda _: 0.0, reaches_target=reaches_target) is None
