"""What the method found, step by step, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass

from primesvt_core.method.confirmation import Trial, chosen
from primesvt_core.method.profiling import targets
from primesvt_core.method.search import Goal, Search
from primesvt_core.types import CurvePoint, GroupSize, LayerSize, ProfileCell, Verdict


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What the method found, step by step."""

    goal: Goal
    start: CurvePoint
    layers: tuple[LayerSize, ...]
    groups: tuple[GroupSize, ...]
    cells: tuple[ProfileCell, ...]
    found: Search
    trials: tuple[Trial, ...]

    @property
    def kept(self) -> Trial | None:
        """The candidate for which the promise holds; None if it holds for none, and the original is delivered."""
        return chosen(self.trials)

    @property
    def targeted(self) -> frozenset[str]:
        """Groups that stay within the drop at some rate."""
        allowed = 1.0 if self.goal.allowed_drop is None else self.goal.allowed_drop
        return frozenset(targets(self.cells, allowed))

    @property
    def point(self) -> CurvePoint:
        """What is delivered."""
        return self.kept.candidate if self.kept else self.start

    @property
    def verdict(self) -> Verdict:
        """How it ended."""
        if not self.targeted:
            return Verdict.NOTHING_PRUNABLE
        if self.goal.target_bytes is not None:
            met = self.kept is not None and self.point.parameter_bytes <= self.goal.target_bytes
        else:
            met = self.kept is not None and bool(self.point.rates)
        return Verdict.MET if met else Verdict.ACCURACY_FLOOR_REACHED
