"""The prioritized policy on arithmetic models: order, depth, targets, floors."""

from __future__ import annotations

from dataclasses import replace

from primesvt_core.policies import Problem
from primesvt_core.policies.prioritized import POLICY
from primesvt_core.types import CurvePoint, Outcome, Rates

SIZES = {"large": 600, "small": 300}
RATES = (0.1, 0.3, 0.5, 0.7, 0.9)
search = POLICY.with_params({})


def memory(rates: Rates) -> int:
    return round(1000 - sum(SIZES[group] * rate for group, rate in rates.items()))


def problem(allowed_drop: float, target_bytes: int | None) -> Problem:
    start = CurvePoint(rates={}, accuracy=0.9, accuracy_drop=0.0, parameter_bytes=1000, memory_saving=0.0)
    candidates = dict.fromkeys(SIZES, RATES)
    return Problem(
        candidates=candidates, start=start, allowed_drop=allowed_drop, target_bytes=target_bytes, memory=memory,
        macs=lambda rates: 10 * memory(rates),
        is_within=lambda rates: 0.9 - evaluate(rates).accuracy <= allowed_drop,
    )  # fmt: skip


def evaluate(rates: Rates) -> Outcome:
    """Every tenth of a group costs half a point."""
    size = memory(rates)
    return Outcome(accuracy=0.9 - 0.05 * sum(rates.values()), parameter_bytes=size, memory_saving=1 - size / 1000)


def test_it_takes_the_deepest_rate_of_the_largest_group_first() -> None:
    curve = search(problem(0.0451, None), evaluate)
    assert [(step.group, dict(step.rates)) for step in curve] == [(None, {}), ("large", {"large": 0.9})]


def test_it_goes_on_with_what_is_left_of_the_drop() -> None:
    curve = search(problem(0.0601, None), evaluate)
    assert curve[-1].rates == {"large": 0.9, "small": 0.3}


def test_it_reaches_a_target_with_the_gentlest_rate_that_does() -> None:
    curve = search(problem(0.05, 750), evaluate)
    assert curve[-1].rates == {"large": 0.5}


def test_it_stops_at_the_target() -> None:
    asked: list[Rates] = []
    search(problem(0.05, 990), lambda rates: asked.append(rates) or evaluate(rates))  # type: ignore[func-returns-value]
    assert asked == [{"large": 0.1}]


def test_it_leaves_the_model_alone_if_every_rate_costs_too_much() -> None:
    assert len(search(problem(0.001, 100), evaluate)) == 1


def test_it_asks_only_for_what_its_steps_need() -> None:
    """The deepest rate first, with what is pruned already, then of the group alone; nothing gentler than is taken."""
    asked: list[Rates] = []

    def is_within(rates: Rates) -> bool:
        asked.append(dict(rates))
        return 0.9 - evaluate(rates).accuracy <= 0.0601

    search(replace(problem(0.0601, None), is_within=is_within), evaluate)
    large, small = {"large": 0.9}, [{"large": 0.9, "small": rate} for rate in reversed(RATES)]
    taken = small.index({"large": 0.9, "small": 0.3})
    assert asked == [large, large, *small[: taken + 1], {"small": 0.3}]


def test_it_asks_for_nothing_where_a_group_alone_is_known_to_lose_too_much() -> None:
    asked: list[Rates] = []

    def is_within(rates: Rates) -> bool:
        asked.append(dict(rates))
        return 0.9 - evaluate(rates).accuracy <= 0.0601

    def known(rates: Rates) -> bool | None:
        return False if rates.get("small", 0.0) > 0.5 else None

    curve = search(replace(problem(0.0601, None), is_within=is_within, known=known), evaluate)
    assert curve[-1].rates == {"large": 0.9, "small": 0.3}
    assert max(rates["small"] for rates in asked if "small" in rates) == 0.5
