"""The result of the method, step by step, and its verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from primesvt_core.method.confirmation import Trial, chosen
from primesvt_core.method.profiling import targeted
from primesvt_core.method.search import Goal, Search
from primesvt_core.types import CurvePoint, GroupSize, LayerSize, ProfileCell, Rates, Verdict


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What the method found, step by step.

    Attributes:
        goal: the budget in the terms of this model.
        start: the unpruned model on the search split.
        layers: largest first.
        groups: in the order of the policy.
        cells: of the profile, as far as they were asked for.
        search: what the rounds of the policy found.
        macs: multiply-accumulates of one image at the given rates.
        trials: candidates that were confirmed, in the order of their tests.
    """

    goal: Goal
    start: CurvePoint
    layers: tuple[LayerSize, ...]
    groups: tuple[GroupSize, ...]
    cells: tuple[ProfileCell, ...]
    search: Search
    macs: Callable[[Rates], int]
    trials: tuple[Trial, ...]

    @property
    def kept(self) -> Trial | None:
        """The confirmed candidate that is exported; None if none is confirmed, and the original is."""
        return chosen(self.trials)

    @property
    def targeted(self) -> frozenset[str]:
        """Groups that stay within the drop at some rate."""
        allowed = 1.0 if self.goal.allowed_drop is None else self.goal.allowed_drop
        return targeted(self.cells, allowed)

    @property
    def point(self) -> CurvePoint:
        """The exported point: a confirmed candidate, or the unpruned model."""
        return self.kept.candidate if self.kept else self.start

    @property
    def verdict(self) -> Verdict:
        """How the run ended."""
        if not self.targeted and not any(trial.candidate.rates for trial in self.trials):
            return Verdict.NOTHING_PRUNABLE
        if self.goal.has_target:
            is_reached = self.goal.is_reached(self.point.parameter_bytes, self.macs(self.point.rates))
            met = self.kept is not None and is_reached
        else:
            met = self.kept is not None and bool(self.point.rates)
        return Verdict.MET if met else Verdict.ACCURACY_FLOOR_REACHED
