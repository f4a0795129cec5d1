"""A plan that is given: nothing is profiled or searched, one candidate is measured and put to the test."""

from __future__ import annotations

from dataclasses import replace

from primesvt_core.method.candidates import Candidates
from primesvt_core.method.divergence import Divergences
from primesvt_core.method.given_plan import FittedPlan, GivenPlan, check_targets, fitted, seen_before
from primesvt_core.method.learning import aim_of, best_learns
from primesvt_core.method.recovering import Recovery
from primesvt_core.method.search import Found, Goal, Search, target_bytes
from primesvt_core.method.steps import StepProgress
from primesvt_core.method.told import candidate_facts


def take_plan(candidates: Candidates, plan: GivenPlan) -> None:
    """Have a run carry out a plan instead of searching for one.

    Raises:
        PlanMismatch: it does not fit the checkpoint, or what the spec lets be pruned.
        ImpossibleBudget: it does not reach a target of the budget.
    """
    budget, inspection = candidates.spec.budget, candidates.inspection
    found = fitted(
        plan, family=inspection.family_key, variant=str(candidates.config.variant),
        groups=tuple(candidates.family.groups(candidates.config)), spec=candidates.spec,
    )  # fmt: skip
    targets = Goal(
        allowed_drop=None, target_bytes=target_bytes(budget, candidates.memory_before), max_macs=budget.max_macs,
        limits=tuple(limit for limit in candidates.limits if limit.measure is None),
    )  # fmt: skip
    check_targets(plan.name, targets, candidates.memory(found.rates), candidates.macs(found.rates), found.rates)
    told = seen_before(plan, candidates.images.data.fingerprint())
    candidates.given = replace(found, notes=(*found.notes, *told))


class ByPlan:
    """The steps of one run whose rates are given.

    Args:
        divergences: candidates beside the original.
        given: the plan.
        goal: of the run.
    """

    def __init__(self, divergences: Divergences, given: FittedPlan, goal: Goal) -> None:
        self.divergences, self.given, self.goal = divergences, given, goal

    def profile(self, progress: StepProgress) -> None:
        """Measure nothing of groups alone."""

    def search(self, progress: StepProgress) -> Found:
        """Measure the candidate as searches measure theirs, which tells the engine from the modules."""
        divergences, rates = self.divergences, self.given.rates
        form = divergences.repairing.searching
        (one,) = divergences.measure([rates], form)
        start, point = divergences.start(), divergences.point(rates, one)
        by_disagreement = divergences.candidates.by_disagreement
        progress.update(candidate_facts(point.outcome, by_disagreement=by_disagreement, divergence=point.divergence))
        return Found(
            search=Search(curve=(start, point), best=point, fallbacks=(), reached=True, is_shortlist=True),
            cells=(),
            evaluations=divergences.evaluations,
            agreement=divergences.agreement([{}, rates], form),
            images=len(divergences.images),
        )

    def recover(self, found: Found, recovery: Recovery, progress: StepProgress) -> Found:
        """Have the candidate learn by time; what was found, once it has."""
        return best_learns(found, aim_of(self.divergences.candidates, self.goal), recovery, progress)
