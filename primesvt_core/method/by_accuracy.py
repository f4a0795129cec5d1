"""The paper's way (PrimeSVT, arXiv 2606.03428): groups are profiled, candidates taken or left, by their accuracy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from primesvt_core.method import profiling
from primesvt_core.method.learning import aim_of, best_learns
from primesvt_core.method.recovering import Recovery
from primesvt_core.method.search import Found, Goal, Search, first_kept, run_rounds
from primesvt_core.method.search_split import SearchSplit
from primesvt_core.method.shared_profile import compute_with_others, explore_with_others
from primesvt_core.method.steps import StepProgress
from primesvt_core.method.told import candidate_facts, cell_facts
from primesvt_core.policies import Evaluate, PolicySearch
from primesvt_core.types import CurvePoint, Outcome, Rates
from primesvt_core.workspace.sharing import CellQueue


@dataclass(frozen=True, kw_only=True)
class ByAccuracy:
    """The steps of one run whose policy goes by accuracy.

    Attributes:
        split: candidates on the search split.
        rates: to try of every group, ascending; the groups in the order of the sorting.
        start: the unpruned model.
        goal: of the search.
        policy: chooses the rates.
        queue: shares the cells of the profile with other processes.
    """

    split: SearchSplit
    rates: Mapping[str, tuple[float, ...]]
    start: CurvePoint
    goal: Goal
    policy: PolicySearch
    queue: CellQueue | None

    def profile(self, progress: StepProgress) -> None:
        """Measure the robustness of groups: all rates of all of them, or what a search without a target needs.

        A search with one stops at it: it asks for what it needs itself.
        """

        def tell(group: str) -> None:
            for rate in self.rates[group]:
                if cell := self.split.profile_cell(group, rate):
                    progress.report(cell_facts(cell, by_disagreement=self.goal.by_disagreement))

        def observe(group: str) -> None:
            tell(group)
            progress.update()

        if self.split.candidates.spec.profile == "full":
            self._whole_profile(tell, progress)
        elif not self.goal.has_target and self.goal.allowed_drop is not None:
            self._explored(self.goal.allowed_drop, observe)
        self.split.measure_agreement([{group: rate} for group, every in self.rates.items() for rate in every])

    def search(self, progress: StepProgress) -> Found:
        """Let the policy search, round by round, and the reference compute what it has found."""
        found = self._found(progress)
        while not self.split.check([point.rates for point in found.curve[1:]]):
            found = self._found(progress)  # which is remembered, but for what has become too close to call
        return Found(
            search=found,
            cells=self.split.profile_cells(self.rates),
            evaluations=self.split.evaluations,
            agreement=self.split.agreement,
            images=self.split.total,
        )

    def recover(self, found: Found, recovery: Recovery, progress: StepProgress) -> Found:
        """Have the candidate learn by time that is tested first; what was found, which it is still."""
        return best_learns(found, aim_of(self.split.candidates, self.goal), recovery, progress)

    def _found(self, progress: StepProgress) -> Search:
        return self._without_pruning(progress) or self._rounds(progress)

    def _without_pruning(self, progress: StepProgress) -> Search | None:
        """Where a candidate that loses no channel reaches every target, it alone."""
        candidates, whole = self.split.candidates, self.split.candidates.whole
        if whole is None or not self.goal.has_target:
            return None
        is_reached = self.goal.is_reached(candidates.memory(whole), candidates.macs(whole), whole)
        if not is_reached or first_kept([whole], self.goal.limits) is None:
            return None
        point = self._point(whole, progress)
        return Search(curve=(self.start, point), best=point, fallbacks=(), reached=True)

    def _rounds(self, progress: StepProgress) -> Search:
        candidates = self.split.candidates
        is_within, evaluate = _observed(self.split, progress)
        found = run_rounds(
            self.goal, self.rates, self.start, candidates.memory, candidates.macs, is_within,
            self.policy, evaluate, recovers=candidates.spec.fine_tuning.is_asked, known=self.split.known_answer,
        )  # fmt: skip
        if candidates.whole is None:
            return found
        point = self._point(candidates.whole, progress)
        if not found.best.rates:
            return replace(found, best=point)
        return replace(found, fallbacks=(point, *(each for each in found.fallbacks if each.rates)))

    def _point(self, rates: Rates, progress: StepProgress) -> CurvePoint:
        outcome = self.split.evaluate(rates)
        progress.update(candidate_facts(outcome, by_disagreement=self.split.candidates.by_disagreement))
        return CurvePoint(
            rates=rates, accuracy=outcome.accuracy, accuracy_drop=self.start.accuracy - outcome.accuracy,
            parameter_bytes=outcome.parameter_bytes, memory_saving=outcome.memory_saving,
        )  # fmt: skip

    def _whole_profile(self, tell: Callable[[str], None], progress: StepProgress) -> None:
        if self.queue:
            advance = progress.as_share_of(len(self.rates))
            compute_with_others(self.split, self.rates, tell, advance, self.queue)
            return
        for group, every in self.rates.items():
            self.split.compute([{group: rate} for rate in every])
            tell(group)
            progress.update()

    def _explored(self, allowed_drop: float, observe: Callable[[str], None]) -> None:
        if self.queue:
            explore_with_others(self.split, self.rates, allowed_drop, observe, self.queue)
        else:
            profiling.explore(self.rates, allowed_drop, self.split.decide, observe)


def _observed(split: SearchSplit, progress: StepProgress) -> tuple[Callable[[Rates, float], bool], Evaluate]:
    """The search's questions, each reported once it is answered: of a group alone as a cell of the profile."""
    by_disagreement = split.candidates.by_disagreement

    def tell(rates: Rates, outcome: Outcome) -> None:
        group, rate = [*rates.items()][-1]
        progress.update(candidate_facts(outcome, by_disagreement=by_disagreement, group=group, rate=rate))

    def is_within(rates: Rates, allowed_drop: float) -> bool:
        found = split.is_within(rates, allowed_drop)
        group, rate = [*rates.items()][-1]
        cell = split.profile_cell(group, rate) if len(rates) == 1 else None
        if cell is not None:
            progress.update(cell_facts(cell, by_disagreement=by_disagreement))
        elif not found:
            tell(rates, split.known(rates))
        return found

    def evaluate(rates: Rates) -> Outcome:
        outcome = split.accept(rates)
        tell(rates, outcome)
        return outcome

    return is_within, evaluate
