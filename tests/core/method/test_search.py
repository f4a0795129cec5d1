"""The rounds of the search, on arithmetic alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from primesvt_core.errors import ImpossibleBudget
from primesvt_core.method.search import Limit, Reach, allowances, check_limit, check_reachable, first_kept, goal
from primesvt_core.spec import Budget
from primesvt_core.types import CurvePoint, Rates
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


REACH = Reach(parameter_bytes=1000, smallest_bytes=300, macs=8000, smallest_macs=2000)


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
    assert [wanted.is_reached(1000, macs, {}) for macs in (5500, 5501)] == [True, False]
    found = Model(big=0.3, small=0.01, stream=0.01).search(Budget(max_macs=5750))
    assert found.reached
    assert found.best.rates == {"small": 0.75}


def limit(most: int, measure: Callable[[Rates], float] | None = None) -> Limit:
    """One of the small group's and the stream's bytes alone."""

    def cost(rates: Rates) -> float:
        return 500 - 300 * rates.get("small", 0.0) - 200 * rates.get("stream", 0.0)

    return Limit(name="inference_bytes", unit="bytes of inference memory", most=most, cost=cost, measure=measure)


def test_other_limits_are_targets() -> None:
    budget = Budget(max_accuracy_drop=0.04, max_inference_bytes=280)
    wanted = goal(budget, baseline_accuracy=0.9, parameter_bytes=1000, limits=(limit(280),))
    assert (wanted.target_bytes, wanted.max_macs, wanted.has_target) == (None, None, True)
    assert [wanted.is_reached(1000, 8000, {"small": rate}) for rate in (0.7, 0.75)] == [False, True]
    free = Model(big=0.0, small=0.0, stream=9.0)
    found = free.search(Budget(max_inference_bytes=280), limits=(limit(280),))
    assert found.reached
    assert found.best.rates == {"big": 0.75, "small": 0.75}
    assert not free.search(Budget(max_accuracy_drop=0.01, max_inference_bytes=270), limits=(limit(270),)).reached


def test_a_limit_out_of_reach_is_refused_unless_its_cost_is_an_estimate() -> None:
    deepest = {"small": 0.75, "stream": 0.75}
    check_limit(limit(125), deepest, "")
    with pytest.raises(ImpossibleBudget, match=r"124 bytes of inference memory .* 125 .* 75\.0%") as refusal:
        check_limit(limit(124), deepest, "")
    assert refusal.value.facts == {"smallest_inference_bytes": 125, "inference_bytes": 500}
    check_limit(limit(124, measure=lambda _: 500.0), deepest, "")


def test_what_was_estimated_is_measured_and_estimates_that_were_too_low_are_raised() -> None:
    """Every candidate has a quarter more than its estimate: of 400, 350, 320, 260 the last one keeps 330."""
    asked: list[float] = []

    def measure(rates: Rates) -> float:
        asked.append(rates["small"])
        return 1.25 * bound.cost(rates)

    bound = limit(330, measure)
    candidates = [{"small": (500 - cost) / 300} for cost in (328, 300, 270, 260, 200)]
    assert first_kept(candidates, (bound, limit(9999))) == 3
    assert asked == [candidates[0]["small"], candidates[3]["small"]]
    assert first_kept(candidates[:3], (bound,)) is None
    assert first_kept(candidates, ()) == 0
    assert first_kept([], ()) is None


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


def test_an_original_that_may_not_serve_reaches_no_target() -> None:
    budget = Budget(max_accuracy_drop=0.04, min_memory_saving=0.0)
    usual, other = (
        goal(budget, baseline_accuracy=0.9, parameter_bytes=1000, takes_original=takes) for takes in (True, False)
    )
    assert (usual.has_limits, other.has_limits) == (False, True)
    assert [each.is_reached(1000, 8000, {}) for each in (usual, other)] == [True, False]
    assert other.is_reached(1000, 8000, {"big": 0.0})
    free = goal(Budget(max_accuracy_drop=0.04), baseline_accuracy=0.9, parameter_bytes=1000, takes_original=False)
    assert not free.has_target
    assert not free.has_limits
