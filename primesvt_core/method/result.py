"""The result of the method, step by step, and its verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from primesvt_core.method.confirmation import Trial, chosen, is_within
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
        trials: candidates that were tested on the confirmation split, one trial each.
        unproven: the candidate that is exported although it is not confirmed, as the spec accepts, or as it was given;
            None if a confirmed one is exported, or the original.
        doubts: about the original and the budget, for people.
        measured: of limits whose cost is an estimate, what the delivered model was measured to have, by their names.
    """

    goal: Goal
    start: CurvePoint
    layers: tuple[LayerSize, ...]
    groups: tuple[GroupSize, ...]
    cells: tuple[ProfileCell, ...]
    search: Search
    macs: Callable[[Rates], int]
    trials: tuple[Trial, ...]
    unproven: Trial | None = None
    doubts: tuple[str, ...] = ()
    measured: Mapping[str, float] = field(default_factory=dict)

    @property
    def kept(self) -> Trial | None:
        """The candidate that is exported; None if none is confirmed or accepted without, and the original is."""
        return self.unproven or chosen(self.trials)

    @property
    def tested(self) -> tuple[Trial, ...]:
        """Every candidate that was tested, and the one that is delivered without proof."""
        others = [trial for trial in self.trials if not self.unproven or trial.candidate != self.unproven.candidate]
        return (*others, self.unproven) if self.unproven else self.trials

    @property
    def targeted(self) -> frozenset[str]:
        """Groups that stay within the drop at some rate."""
        allowed = 1.0 if self.goal.allowed_drop is None else self.goal.allowed_drop
        return targeted(self.cells, allowed)

    @property
    def point(self) -> CurvePoint:
        """The exported point: a candidate, or the unpruned model."""
        return self.kept.candidate if self.kept else self.start

    @property
    def verdict(self) -> Verdict:
        """How the run ended."""
        if self.unproven is None and self._is_met:
            return Verdict.MET
        if self.unproven is not None and not self._is_allowed(self.unproven):
            return Verdict.FLOOR_MISSED
        if not self.targeted and not any(trial.candidate.rates for trial in self.trials):
            return Verdict.NOTHING_PRUNABLE
        return Verdict.NOT_PROVEN if self.short_of_proof is not None else Verdict.ACCURACY_FLOOR_REACHED

    @property
    def _is_met(self) -> bool:
        if not self.goal.has_target:
            return self.kept is not None and bool(self.point.rates)
        rates = self.point.rates
        is_reached = self.goal.is_reached(self.point.parameter_bytes, self.macs(rates), rates)
        is_kept = all(self.measured.get(limit.name, 0.0) <= limit.most for limit in self.goal.limits)
        return self.kept is not None and is_reached and is_kept

    @property
    def short_of_proof(self) -> Trial | None:
        """The candidate for want of whose proof the budget is not met: its measured drop is allowed, its bound is not.

        That is the one exported without proof; of a search that reached the memory target the one that does; otherwise
        the first that was tested, if none was confirmed.
        """
        if self.unproven is not None:
            return self.unproven if self._is_allowed(self.unproven) else None
        if self.goal.has_target and self.search.reached:
            decisive = [trial for trial in self.trials if trial.candidate == self.search.best]
        else:
            decisive = [] if self.kept else [*self.trials[:1]]
        return next((trial for trial in decisive if not trial.confirmed and self._is_allowed(trial)), None)

    def _is_allowed(self, trial: Trial) -> bool:
        return self.goal.allowed_drop is None or is_within(trial.pair, self.goal.allowed_drop)
