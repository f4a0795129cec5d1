"""How far every group alone takes the predictions from the original's, at any of its rates: measured, and between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate

from scipy.interpolate import PchipInterpolator

from primesvt_core.policies._base import CurveProblem

NOISE = 1e-9
"""A divergence that small is rounding."""

Sensitivities = Mapping[str, Mapping[float, float]]
"""Divergence of every group by its rates."""


def sensitivities(problem: CurveProblem) -> Sensitivities:
    """Measure the groups, all rates of one together, and interpolate; never less at a deeper rate."""
    found = {}
    for group, rates in problem.measured.items():
        values = problem.measure([{group: rate} for rate in rates]) if rates else ()
        found[group] = _interpolated(rates, values, problem.steps[group])
    return found


def _interpolated(rates: Sequence[float], values: Sequence[float], steps: Sequence[float]) -> dict[float, float]:
    """At every step, by a monotone cubic through nothing lost at 0; steps beyond the deepest measured rate are left."""
    if not rates:
        return {}
    rising = [*accumulate((value if value > NOISE else 0.0 for value in values), max)]
    curve, known = PchipInterpolator([0.0, *rates], [0.0, *rising]), dict(zip(rates, rising, strict=True))
    return {step: known.get(step, float(curve(step))) for step in steps if step <= rates[-1]}
