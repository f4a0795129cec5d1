"""The rounds of the search, on arithmetic alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from primesvt_core.errors import ImpossibleBudget
from primesvt_core.method.search import Reach, allowances, check_reachable, goal
from primesvt_core.spec import Budget
from primesvt_core.types import CurvePoint
from tests.support.three_groups import START, Model


@pytest.mark.parametrize(
    ("budget", "allowed", "target"),
    [
        ({"max_accuracy_drop": 0.03}, 0.03, None),
        ({"min_accuracy": 0.88}, 0.02, None),
        ({"max_accuracy_drop": 0.03, "min_accuracy": 0.88}, 0.02, None),
        ({"min_memory_saving": 0.25}, None, 750),
        ({"max_parameter_bytes": 600}, None, 600),
        ({"min_memory_saving": 0.25, "max_parameter_bytes": 800, "max_accuracy_drop": 0.1}, 0.1, 750),
    ],
)
def test_all_kinds_of_budget_and_their_combinations(
    budget: dict[str, float], allowed: float | None, target: int | None
) -> None:
    found = goal(Budget.model_validate(budget), baseline_accuracy=0.9, parameter_bytes=1000)
    assert found.allowed_drop == pytest.approx(allowed)
    assert found.target_bytes == target


REACH = Reach(parameter_bytes=1000, smallest_bytes=300, macs=8000, smallest_macs=2000, smallest_stored_bytes=75)


def test_budgets_that_cannot_be_met_are_refused() -> None:
    with pytest.raises(ImpossibleBudget, match=r"90\.00%"):
        goal(Budget(min_accuracy=0.95), baseline_accuracy=0.9, parameter_bytes=1000)
    with pytest.raises(ImpossibleBudget, match=r"saving of 70\.0%"):
        check_reachable(Budget(min_memory_saving=0.8), REACH)
    check_reachable(Budget(min_memory_saving=0.7), REACH)
    check_reachable(Budget(max_accuracy_drop=0.01), replace(REACH, smallest_bytes=999))


def test_multiply_accumulates_out_of_reach_are_refused_with_the_limits_in_the_way() -> None:
    check_reachable(Budget(max_macs=2000), REACH)
    with pytest.raises(ImpossibleBudget, match=r"1,999 multiply-accumulates .* 2,000 .* saving of 75\.0%") as refusal:
        check_reachable(Budget(max_macs=1999), REACH)
    assert refusal.value.facts == {"smallest_macs": 2000, "macs": 8000}
    limited = replace(REACH, limits="max_rates embedding: 0.25 and channel_multiple 8")
    for budget in (Budget(max_macs=1999), Budget(min_memory_saving=0.8)):
        with pytest.raises(ImpossibleBudget, match=r"within max_rates embedding: 0\.25 and channel_multiple 8"):
            check_reachable(budget, limited)


def within(points: Sequence[CurvePoint], drop: float) -> bool:
    return all(point.accuracy_drop <= drop + 1e-9 for point in points)


def test_a_target_is_reached_with_the_gentlest_round_that_does() -> None:
    found = Model(big=0.004, small=0.1, stream=0.1).search(Budget(max_accuracy_drop=0.04, min_memory_saving=0.2))
    assert found.reached
    assert found.best.rates == {"big": 0.5}
    assert within(found.curve, 0.01)


def test_a_target_that_costs_more_is_reached_in_a_later_round() -> None:
    found = Model(big=0.04, small=0.2, stream=0.2).search(Budget(max_accuracy_drop=0.04, min_memory_saving=0.25))
    assert found.reached
    assert found.best.rates["big"] == 0.5
    assert within(found.fallbacks, 0.04)
    savings = [point.memory_saving for point in found.fallbacks]
    assert savings == sorted(savings)
    assert all(saving < found.best.memory_saving for saving in savings)


def test_what_is_out_of_reach_ends_at_the_floor() -> None:
    found = Model(big=0.1, small=0.1, stream=0.1).search(Budget(max_accuracy_drop=0.03, min_memory_saving=0.6))
    assert not found.reached
    assert within([found.best], 0.03)
    assert found.best.memory_saving > 0


def test_a_target_is_reached_only_where_every_limit_is_met() -> None:
    """The stream alone reaches the bytes, and has none of the multiply-accumulates."""
    free = Model(big=0.0, small=9.0, stream=0.0)
    assert free.search(Budget(max_accuracy_drop=0.04, min_memory_saving=0.2)).best.rates == {"big": 0.5}
    both = free.search(Budget(max_accuracy_drop=0.04, min_memory_saving=0.2, max_macs=4250))
    assert (both.reached, both.best.rates) == (True, {"big": 0.75})
    stream = Model(big=9.0, small=9.0, stream=0.0)
    assert stream.search(Budget(max_accuracy_drop=0.04, min_memory_saving=0.1)).reached
    assert not stream.search(Budget(max_accuracy_drop=0.04, min_memory_saving=0.1, max_macs=7999)).reached


def test_multiply_accumulates_alone_are_a_target() -> None:
    wanted = goal(Budget(max_macs=5500), baseline_accuracy=0.9, parameter_bytes=1000)
    assert (wanted.allowed_drop, wanted.target_bytes, wanted.max_macs, wanted.has_target) == (None, None, 5500, True)
    assert [wanted.is_reached(1000, macs, 1000) for macs in (5500, 5501)] == [True, False]
    found = Model(big=0.3, small=0.01, stream=0.01).search(Budget(max_macs=5750))
    assert found.reached
    assert found.best.rates == {"small": 0.75}


def test_stored_bytes_alone_are_a_target() -> None:
    """Which the original does not reach, as it is stored; the gentlest candidate that does is enough."""
    wanted = goal(Budget(max_stored_bytes=200), baseline_accuracy=0.9, parameter_bytes=1000)
    assert (wanted.target_bytes, wanted.max_stored_bytes, wanted.has_target) == (None, 200, True)
    assert [wanted.is_reached(1000, 8000, stored) for stored in (200, 201)] == [True, False]
    model = Model(big=0.3, small=0.01, stream=0.01)
    found = model.search(Budget(max_stored_bytes=200))
    assert found.reached
    assert found.best.parameter_bytes <= 803
    nearly = model.search(Budget(max_stored_bytes=249, max_accuracy_drop=0.02))
    assert (nearly.reached, nearly.best.rates) == (True, {"small": 0.25})
    assert (
        not Model(big=9.0, small=9.0, stream=9.0).search(Budget(max_stored_bytes=249, max_accuracy_drop=0.02)).reached
    )


def test_stored_bytes_out_of_reach_are_refused() -> None:
    check_reachable(Budget(max_stored_bytes=75), REACH)
    with pytest.raises(
        ImpossibleBudget, match=r"74 stored bytes of the model's 1,000, .* rate 75 stored bytes"
    ) as refusal:
        check_reachable(Budget(max_stored_bytes=74), REACH)
    assert refusal.value.facts == {"smallest_stored_bytes": 75, "stored_bytes": 1000}


def test_without_a_target_as_much_is_saved_as_the_floor_lets() -> None:
    found = Model(big=0.01, small=0.01, stream=0.01).search(Budget(max_accuracy_drop=0.03))
    assert found.best.rates == {"big": 0.75, "small": 0.75, "stream": 0.75}
    assert within([found.best], 0.03)


def test_without_a_floor_the_target_is_reached_at_the_least_loss() -> None:
    found = Model(big=0.3, small=0.01, stream=0.01).search(Budget(min_memory_saving=0.3))
    assert found.reached
    assert found.best.rates.get("big", 0.0) == 0.0
    found = Model(big=0.3, small=0.5, stream=0.5).search(Budget(min_memory_saving=0.3))
    assert found.reached


def test_fine_tuning_lets_rounds_lose_more() -> None:
    wanted = goal(Budget(max_accuracy_drop=0.02, min_memory_saving=0.3), baseline_accuracy=0.9, parameter_bytes=1000)
    assert max(allowances(wanted, recovers=False)) == pytest.approx(0.02)
    assert max(allowances(wanted, recovers=True)) > 0.02
    assert Model(big=0.1, small=0.1, stream=0.1).search(
        Budget(max_accuracy_drop=0.02, min_memory_saving=0.3), recovers=True
    ).reached  # fmt: skip


def test_where_nothing_can_be_pruned_the_original_is_the_best() -> None:
    found = Model(big=9, small=9, stream=9).search(Budget(max_accuracy_drop=0.03, min_memory_saving=0.3))
    assert (found.best, found.fallbacks, found.reached) == (START, (), False)
