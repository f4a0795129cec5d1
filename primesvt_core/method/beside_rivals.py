"""Measures what a delivered model is compared with, as the search measures its candidates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from primesvt_core.method.limits import max_rate
from primesvt_core.method.recovered import Compared
from primesvt_core.method.rivals import chance_plan, uniform_rates
from primesvt_core.method.run import Run
from primesvt_core.types import CurvePoint, Plan

RivalName = Literal["delivered", "uniform", "random"]


@dataclass(frozen=True, kw_only=True)
class Rival:
    """One model of the same memory.

    Attributes:
        name: ``delivered``, as the search compared it; ``uniform``, one rate for all groups with the run's criterion;
            ``random``, the delivered sizes with channels by chance.
        compared: with the original.
    """

    name: RivalName
    parameter_bytes: int
    compared: Compared


def measure_rivals(run: Run, point: CurvePoint) -> tuple[Rival, ...]:
    """The delivered candidate and its rivals, with the repair of the search; none where nothing was removed.

    None of them has learned or is tested: they show what the choice of rates and channels is worth.
    """
    candidates, divergences = run.candidates, run.divergences
    plan, form = candidates.plan(point.rates), divergences.repairing.searching
    if not plan.kept:
        return ()
    by_chance = chance_plan(point.rates, candidates.groups, candidates.spec.seed)
    found: list[tuple[RivalName, int, Plan]] = [("delivered", point.parameter_bytes, plan)]
    most = {group.name: max_rate(group.name, candidates.spec) for group in candidates.groups}
    uniform = uniform_rates(most, candidates.memory, point.parameter_bytes)
    if uniform is not None:
        found.append(("uniform", candidates.memory(uniform), candidates.plan(uniform)))
    found.append(("random", point.parameter_bytes, by_chance))
    return tuple(
        Rival(name=name, parameter_bytes=size, compared=divergences.measure_plan(kept, form))
        for name, size, kept in found
    )
