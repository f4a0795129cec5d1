"""Confirmation: backing off finds the deepest candidate that is confirmed."""

from __future__ import annotations

import pytest

from primesvt_core.method.confirmation import chosen, confirm
from primesvt_core.promise.bounds import Paired, drop_upper_bound
from primesvt_core.types import CurvePoint


def point(saving: float) -> CurvePoint:
    return CurvePoint(rates={"g": saving}, accuracy=0.9, accuracy_drop=0.0, parameter_bytes=100, memory_saving=saving)


def test_the_first_candidate_is_enough_if_it_is_confirmed() -> None:
    trials = confirm(point(0.5), (point(0.2),), lambda _: Paired(samples=1000, lost=5, won=5), 0.03, 0.95)
    assert [trial.candidate.memory_saving for trial in trials] == [0.5]


@pytest.mark.parametrize("limit", [0.05, 0.15, 0.25, 0.35, 0.75])
def test_backing_off_finds_the_deepest_that_is_confirmed(limit: float) -> None:
    fallbacks = [point(saving / 10) for saving in range(8)]

    def judge(candidate: CurvePoint) -> Paired:
        return Paired(samples=1000, lost=0 if candidate.memory_saving <= limit else 200, won=0)

    kept = chosen(confirm(point(0.9), fallbacks, judge, 0.03, 0.95))
    assert kept is not None
    assert kept.candidate.memory_saving == max(f.memory_saving for f in fallbacks if f.memory_saving <= limit)


def test_nothing_is_chosen_if_nothing_is_confirmed() -> None:
    judged = confirm(point(0.9), (point(0.1),), lambda _: Paired(samples=100, lost=50, won=0), 0.03, 0.95)
    assert chosen(judged) is None


def test_the_error_probability_is_spent_once_over_all_tests_that_can_be_made() -> None:
    pair = Paired(samples=1000, lost=200, won=0)
    first, *later = confirm(point(0.9), [point(saving / 10) for saving in range(8)], lambda _: pair, 0.03, 0.95)
    assert first.upper_bound == drop_upper_bound(pair, 1 - 0.05 * 0.8)
    assert len(later) == 4  # 8 fallbacks are bisected in at most four tests, which share a fifth of the error
    assert {trial.upper_bound for trial in later} == {drop_upper_bound(pair, 1 - 0.05 * (1 - 0.8) / 4)}
