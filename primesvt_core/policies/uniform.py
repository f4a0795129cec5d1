"""One rate for all groups: what every other policy is compared with."""

from __future__ import annotations

from primesvt_core.policies._base import CurvePolicy, CurveProblem, PolicyParams
from primesvt_core.types import Rates


def curve(problem: CurveProblem, _params: PolicyParams) -> tuple[Rates, ...]:
    """For every target the gentlest rate that reaches it; a group that may not have it has its next gentler one."""
    every = sorted({step for steps in problem.steps.values() for step in steps})
    candidates = [at_most(problem, rate) for rate in every]
    allowed = [(problem.memory(rates), rates) for rates in candidates if problem.is_allowed(rates)]
    reached = (next((rates for size, rates in allowed if size <= target), None) for target in problem.targets)
    return tuple(rates for rates in reached if rates is not None)


def at_most(problem: CurveProblem, rate: float) -> dict[str, float]:
    """Every group at the deepest of its rates that is no deeper than this one."""
    found = {group: max((s for s in steps if s <= rate), default=0.0) for group, steps in problem.steps.items()}
    return {group: rate for group, rate in found.items() if rate}


POLICY = CurvePolicy(curve=curve, params=PolicyParams)
