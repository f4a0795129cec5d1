"""Sorting, profiling and the rounds of the search, on arithmetic alone."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from primesvt_core.errors import ImpossibleBudget
from primesvt_core.method.profiling import profile, targets
from primesvt_core.method.search import Search, allowances, check_reachable, goal, run_rounds
from primesvt_core.policies.prioritized import search as prioritized
from primesvt_core.pruning.sizes import sort_groups, sort_layers
from primesvt_core.spec import Budget
from primesvt_core.types import ChannelGroup, CurvePoint, GroupSize, Layer, Outcome, ProfileCell, Rates, TensorSpec

SIZES = {"big": 500, "small": 300, "stream": 200}
RATES = (0.25, 0.5, 0.75)
START = CurvePoint(rates={}, accuracy=0.9, accuracy_drop=0.0, parameter_bytes=1000, memory_saving=0.0)


def memory(rates: Rates) -> int:
    return round(1000 - sum(SIZES[name] * rate for name, rate in rates.items()))


class Model:
    """Loses ``cost`` points of accuracy for a whole group, in proportion; remembers what was asked."""

    def __init__(self, **cost: float) -> None:
        self.cost, self.asked = cost, 0

    def evaluate(self, rates: Rates) -> Outcome:
        self.asked += 1
        size = memory(rates)
        lost = sum(self.cost[name] * rate for name, rate in rates.items())
        return Outcome(accuracy=0.9 - lost, parameter_bytes=size, memory_saving=1 - size / 1000)

    def cells(self) -> tuple[ProfileCell, ...]:
        groups = [
            GroupSize(name=name, size=8, min_size=1, parts=1, parameters=size, parameter_bytes=4 * size)
            for name, size in SIZES.items()
        ]
        return profile(groups, RATES, lambda _, rate: round(8 * (1 - rate)), self.evaluate, 0.9, lambda _: None)

    def search(self, budget: Budget, *, recovers: bool = False) -> Search:
        wanted = goal(budget, baseline_accuracy=0.9, parameter_bytes=1000)
        return run_rounds(wanted, self.cells(), START, memory, prioritized, self.evaluate, recovers=recovers)


def test_layers_are_sorted_by_parameters_and_groups_by_their_largest_layer() -> None:
    layers = [
        Layer(name=name, tensors=(f"{name}.w", f"{name}.running_mean"), group=group)
        for name, group in (("a", "ga"), ("b", "stream"), ("c", "ga"), ("head", None))
    ]
    extents = {"a": 10, "b": 40, "c": 30, "head": 99}
    shapes = {
        f"{layer.name}.{kind}": TensorSpec(shape=(extents[layer.name],), dtype="float32", itemsize=4)
        for layer in layers
        for kind in ("w", "running_mean")
    }
    sizes = sort_layers(layers, shapes)
    assert [(size.name, size.parameters, size.parameter_bytes) for size in sizes] == [
        ("head", 99, 792), ("b", 40, 320), ("c", 30, 240), ("a", 10, 80),
    ]  # fmt: skip
    groups = [_group("stream", "global"), _group("ga", "local")]
    assert [(group.name, group.parameters) for group in sort_groups(groups, sizes)] == [("ga", 40), ("stream", 40)]


def test_layers_fused_in_one_tensor_are_sized_apart() -> None:
    shapes = {
        "qkv.weight": TensorSpec(shape=(24, 5), dtype="float32", itemsize=4),
        "bn.running_mean": TensorSpec(shape=(24,), dtype="float32", itemsize=4),
        "bn.num_batches_tracked": TensorSpec(shape=(), dtype="int64", itemsize=8),
    }
    names = tuple(shapes)
    layers = [
        Layer(name="q", tensors=names, group="qk", rows=6),
        Layer(name="k", tensors=names[:2], group="qk", rows=6),
        Layer(name="v", tensors=names[:2], group="v", rows=12),
    ]
    sizes = sort_layers(layers, shapes)
    assert [(size.name, size.shape, size.parameters) for size in sizes] == [
        ("v", (12, 5), 60), ("q", (6, 5), 30), ("k", (6, 5), 30),
    ]  # fmt: skip
    assert sum(size.parameter_bytes for size in sizes) == sum(spec.bytes for spec in shapes.values())


def _group(name: str, scope: str) -> ChannelGroup:
    return ChannelGroup(name=name, size=8, width="w", slices=(), producers=(), silencers=(), consumers=(), scope=scope)  # type: ignore[arg-type]


def test_a_rate_that_removes_no_other_number_of_channels_is_not_evaluated_twice() -> None:
    group = GroupSize(name="big", size=2, min_size=1, parts=1, parameters=2, parameter_bytes=8)
    model = Model(big=0.1)
    seen: list[ProfileCell] = []
    cells = profile(
        [group], (0.1, 0.4, 0.5, 0.9), lambda _, rate: max(1, 2 - round(2 * rate)), model.evaluate, 0.9, seen.append
    )
    assert [(cell.rate, cell.kept) for cell in cells] == [(0.4, 1)]
    assert seen == [*cells]


def test_targets_are_groups_that_stay_within_the_drop_at_some_rate() -> None:
    cells = Model(big=0.04, small=0.2, stream=0.02).cells()
    assert targets(cells, 0.02) == {"big": (0.25, 0.5), "stream": RATES}


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


def test_budgets_that_cannot_be_met_are_refused() -> None:
    with pytest.raises(ImpossibleBudget, match=r"90\.00%"):
        goal(Budget(min_accuracy=0.95), baseline_accuracy=0.9, parameter_bytes=1000)
    with pytest.raises(ImpossibleBudget, match=r"saving of 70\.0%"):
        check_reachable(Budget(min_memory_saving=0.8), parameter_bytes=1000, smallest_bytes=300)
    check_reachable(Budget(min_memory_saving=0.7), parameter_bytes=1000, smallest_bytes=300)
    check_reachable(Budget(max_accuracy_drop=0.01), parameter_bytes=1000, smallest_bytes=999)


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
