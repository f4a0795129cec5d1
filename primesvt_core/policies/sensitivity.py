"""The same divergence for all groups: each is pruned until it alone takes the predictions so far away."""

from __future__ import annotations

from primesvt_core.policies._base import CurvePolicy, CurveProblem, PolicyParams
from primesvt_core.policies._sensitivity import Sensitivities, sensitivities
from primesvt_core.types import Rates


def curve(problem: CurveProblem, _params: PolicyParams) -> tuple[Rates, ...]:
    """For every target the smallest divergence by which the groups, each at its deepest rate within it, reach it."""
    lost = sensitivities(problem)
    levels = sorted({value for values in lost.values() for value in values.values()})
    found: list[Rates] = []
    for target in problem.targets:
        reached = _first(problem, lost, levels, target)
        if reached is not None:
            found.append(reached)
    return tuple(found)


def _first(problem: CurveProblem, lost: Sensitivities, levels: list[float], target: int) -> Rates | None:
    """By bisection: the deeper the level, the deeper every group."""
    low, high = 0, len(levels)
    while low < high:
        middle = (low + high) // 2
        rates = _within(lost, levels[middle])
        if problem.memory(rates) <= target and problem.is_allowed(rates):
            high = middle
        else:
            low = middle + 1
    return _within(lost, levels[low]) if low < len(levels) else None


def _within(lost: Sensitivities, level: float) -> dict[str, float]:
    deepest = {g: max((r for r, value in values.items() if value <= level), default=0.0) for g, values in lost.items()}
    return {group: rate for group, rate in deepest.items() if rate}


POLICY = CurvePolicy(curve=curve, params=PolicyParams)
