"""The deep way: groups and candidates are compared by how far they are from the original, and repaired.

Labels serve the confirmation alone, and the guess of where to begin it. What a policy finds is a curve: for every size
the candidate that is nearest to the original. A few of its points are put to the test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby

from primesvt_core.method import profiling, shortlist
from primesvt_core.method.divergence import Divergences
from primesvt_core.method.learning import aim_of, best_learns, deeper_ones_learn
from primesvt_core.method.recovered import Compared
from primesvt_core.method.recovering import Recovery
from primesvt_core.method.search import Found, Goal, Search, first_kept
from primesvt_core.method.shortlist import Forecast, Measured
from primesvt_core.method.steps import StepProgress
from primesvt_core.method.told import candidate_facts, cell_facts
from primesvt_core.policies import CurveProblem, CurveSearch
from primesvt_core.types import CurvePoint, GroupSize, ProfileCell, Rates
from primesvt_core.workspace import sharing
from primesvt_core.workspace.sharing import CellQueue

SIXTEENTHS = tuple(n / 16 for n in range(1, 16))
"""Rates of which a policy gives groups one, beside those that were measured."""

SAVING_STEP = 0.025
"""Between the points of the curve, as a share of the memory."""

COARSE = 4
"""Every so many points of the curve are measured wherever they lie, all of them where the bound is near the drop."""

NEAR = (0.5, 1.4)
"""Predicted bounds, as shares of the allowed drop, between which all points are measured."""

RECOVERED = 2.0
"""Share of the allowed drop that candidates may lose before they are fine-tuned by epochs."""

BEYOND = 1.8
"""What learns by time may lose so many times more before: so far beyond all points are measured, too."""

LIKELY_IMPROVEMENT = 0.8
"""What a slow repair probably leaves of a divergence, before that is known."""


class ByDivergence:
    """The steps of one run whose policy goes by divergence.

    Args:
        divergences: candidates beside the original.
        groups: in the order of the sorting.
        rates: of every group, at which it is measured; ascending.
        goal: of the search.
        policy: finds the curve.
        queue: shares the cells of the profile with other processes.
    """

    def __init__(
        self,
        divergences: Divergences,
        groups: Sequence[GroupSize],
        rates: Mapping[str, tuple[float, ...]],
        goal: Goal,
        policy: CurveSearch,
        queue: CellQueue | None,
    ) -> None:
        self.divergences, self.groups, self.rates = divergences, groups, rates
        self.goal, self.policy, self.queue = goal, policy, queue
        self.candidates, self.form = divergences.candidates, divergences.repairing.searching
        self._cells: list[ProfileCell] = []
        self._curve: tuple[Rates, ...] = ()
        self._measured: dict[int, Measured] = {}

    def profile(self, progress: StepProgress) -> None:
        """Measure groups alone, as far as the policy asks for them, and have it find the curve."""

        def measure(every: Sequence[Rates]) -> list[float]:
            self._share(every)
            # What fewer time steps cost is lost once, however many groups are pruned.
            once = self.divergences.of_fewer_steps
            return [max(0.0, each.divergence - once) for each in self._measure_groups(every, progress)]

        candidates, scopes = self.candidates, {group.name: group.scope for group in self.candidates.groups}
        found = self.policy(
            CurveProblem(
                steps={name: self._steps(name, rates) for name, rates in self.rates.items()},
                measured=self.rates,
                shared=frozenset(name for name, scope in scopes.items() if scope == "global"),
                targets=self._targets(),
                memory=candidates.memory,
                is_allowed=self._is_allowed,
                measure=measure,
                limited=self._limited,
            )
        )
        whole = candidates.whole
        self._curve = found if whole is None else (whole, *(rates for rates in found if rates))

    def search(self, progress: StepProgress) -> Found:
        """Measure points of the curve, and choose those that are put to the test."""
        first = 0 if self.candidates.whole is None else 1
        self._measure_points([*range(first), *range(first, len(self._curve), COARSE)], progress)
        allowed = self._allowed
        if allowed is not None:
            expected = self._forecast()
            beyond = BEYOND if self.candidates.spec.fine_tuning.is_timed else 1.0
            near = NEAR[0] * allowed, NEAR[1] * beyond * allowed
            self._measure_points([i for i in self._between(expected, *near) if i not in self._measured], progress)
        target = self._target()
        if self.goal.has_target and self._curve:  # the deepest there is, where none reaches it
            self._measure_points([len(self._curve) - 1 if target is None else target], progress)
        found = self._shortlisted(target)
        tested = [self.divergences.start(), *found.fallbacks, found.best]
        agreement = self.divergences.agreement([point.rates for point in tested], self.form)
        return Found(
            search=found,
            cells=tuple(self._cells),
            evaluations=self.divergences.evaluations,
            agreement=agreement,
            images=len(self.divergences.images),
        )

    def recover(self, found: Found, recovery: Recovery, progress: StepProgress) -> Found:
        """Have candidates learn by time; what was found, once they have."""
        aim, allowed = aim_of(self.candidates, self.goal, self._points), self.goal.allowed_drop
        if self.goal.has_target or allowed is None:
            return best_learns(found, aim, recovery, progress)
        return deeper_ones_learn(
            found, self._points, self._improved(self._forecast(), allowed), aim, recovery, progress
        )

    @property
    def _allowed(self) -> float | None:
        """The drop by which candidates are chosen; fine-tuning gets some of it back."""
        recovers = self.candidates.spec.fine_tuning.epochs > 0 and not self.candidates.spec.fine_tuning.is_timed
        return None if self.goal.allowed_drop is None else self.goal.allowed_drop * (RECOVERED if recovers else 1.0)

    def _is_allowed(self, rates: Rates) -> bool:
        """Whether limits beside memory are kept."""
        goal, rates = self.goal, self.candidates.as_candidate(rates)
        is_within = goal.max_macs is None or self.candidates.macs(rates) <= goal.max_macs
        return is_within and goal.keeps_limits(rates)

    @property
    def _limited(self) -> tuple[Callable[[Rates], float], ...]:
        """What these limits bound."""
        costs: tuple[Callable[[Rates], float], ...] = tuple(limit.cost for limit in self.goal.limits)
        if self.goal.max_macs is not None:
            costs = (self.candidates.macs, *costs)
        return tuple(partial(self._as_candidate, cost) for cost in costs)

    def _as_candidate(self, cost: Callable[[Rates], float], rates: Rates) -> float:
        """Of what would be delivered: channels alone are weighed, not what candidates have in common."""
        return cost(self.candidates.as_candidate(rates))

    def _steps(self, group: str, measured: Sequence[float]) -> tuple[float, ...]:
        """Rates that a policy may give a group: each removes another number of channels; measured ones come first."""
        if not measured:
            return ()
        size = next(one for one in self.groups if one.name == group)
        every = sorted({*(rate for rate in SIXTEENTHS if rate < measured[-1]), *measured})
        distinct = profiling.distinct_rates([size], every, self.candidates.kept)[group]
        known = {self.candidates.kept(group, rate): rate for rate in measured}
        return tuple(known.get(self.candidates.kept(group, rate), rate) for rate in distinct)

    def _targets(self) -> tuple[int, ...]:
        """Bytes of the points of the curve, the goal's own among them."""
        whole = self.candidates.memory_before
        even = {int(whole * (1 - n * SAVING_STEP)) for n in range(1, int(1 / SAVING_STEP))}
        own = set() if self.goal.target_bytes is None else {self.goal.target_bytes}
        return tuple(sorted(even | own, reverse=True))

    def _share(self, every: Sequence[Rates]) -> None:
        if self.queue is None:
            return
        cells = {key: rates for rates in every for key in self.divergences.keys(rates, self.form)}
        sharing.share(cells, self.candidates.workspace, self.divergences.compute, self.queue)

    def _measure_groups(self, every: Sequence[Rates], progress: StepProgress) -> list[Compared]:
        """Group by group, which are reported; all rates of one together."""
        start, found = self.divergences.start(), []
        for name, together in groupby(every, lambda rates: next(iter(rates))):
            asked = [*together]
            measured = self.divergences.measure(asked, self.form)
            for rates, one in zip(asked, measured, strict=True):
                cell = self._cell(name, rates[name], one, start)
                self._cells.append(cell)
                progress.report(cell_facts(cell, by_disagreement=self.goal.by_disagreement))
            progress.update()
            found += measured
        return found

    def _cell(self, group: str, rate: float, one: Compared, start: CurvePoint) -> ProfileCell:
        return ProfileCell(
            group=group,
            rate=rate,
            kept=self.candidates.kept(group, rate),
            accuracy=one.accuracy,
            accuracy_drop=start.accuracy - one.accuracy,
            memory_saving=self.candidates.saving(self.candidates.memory({group: rate})),
            samples=one.samples,
            is_bound=False,
            divergence=one.divergence,
        )

    def _measure_points(self, places: Sequence[int], progress: StepProgress) -> None:
        for place in places:
            (one,) = self.divergences.measure([self._curve[place]], self.form)
            point = self.divergences.point(self._curve[place], one)
            self._measured[place] = Measured(
                point=point, differing=(one.lost + one.won) / one.samples, samples=one.samples
            )
            by_disagreement = self.goal.by_disagreement
            progress.update(
                candidate_facts(point.outcome, by_disagreement=by_disagreement, divergence=point.divergence)
            )

    @property
    def _points(self) -> list[Measured]:
        """What was measured of the curve, ascending in saving."""
        return [self._measured[place] for place in sorted(self._measured)]

    def _forecast(self) -> Forecast:
        samples, confidence = len(self.candidates.images.splits.confirmation), self.candidates.spec.confidence
        forecast = shortlist.of_disagreement if self.goal.by_disagreement else shortlist.forecast
        return forecast(self._points, confidence=confidence, samples=samples)

    def _between(self, expected: Forecast, low: float, high: float) -> range:
        """Places of the curve next to measured ones whose predicted bounds lie between two."""
        expected = replace(expected, improvement=LIKELY_IMPROVEMENT)
        before = [place for place, one in self._measured.items() if expected.bound(one) <= low]
        after = [place for place, one in self._measured.items() if expected.bound(one) >= high]
        return range(max(before, default=0), min(after, default=len(self._curve)))

    def _target(self) -> int | None:
        """The first point of the curve that reaches every target; None: there is none, or no target."""
        if not self.goal.has_target:
            return None
        reached = [
            place
            for place, rates in enumerate(self._curve)
            if self.goal.is_reached(self.candidates.memory(rates), self.candidates.macs(rates), rates)
        ]
        first = first_kept((self._curve[place] for place in reached), self.goal.limits)
        return None if first is None else reached[first]

    def _shortlisted(self, target: int | None) -> Search:
        curve = (self.divergences.start(), *(one.point for one in self._points))
        points, allowed = self._points, self._allowed
        best, reached = curve[-1], target is not None or not self.goal.has_target
        if target is not None:
            best = self._measured[target].point
        if allowed is None or not points:
            return Search(curve=curve, best=best, fallbacks=(), reached=reached)
        expected = self._improved(self._forecast(), allowed)
        if target is not None:
            fallbacks = shortlist.chain(points, expected, allowed, best)
        else:
            *gentler, best = shortlist.spaced(points, expected, allowed)
            fallbacks = tuple(gentler)
        gentlest = points[0].point
        if gentlest.rates == self.candidates.whole and gentlest not in (*fallbacks, best):
            fallbacks = (gentlest, *fallbacks)  # what is delivered if nothing can be pruned
        return Search(curve=curve, best=best, fallbacks=fallbacks, reached=reached, is_shortlist=True)

    def _improved(self, expected: Forecast, allowed: float) -> Forecast:
        """With what the delivered repair leaves of the divergence of one candidate that will probably be tested."""
        likely = replace(expected, improvement=LIKELY_IMPROVEMENT)
        probable = shortlist.spaced(self._points, likely, 0.9 * allowed)[-1]
        _, delivered = self.divergences.best_form(probable.rates)
        if not probable.divergence:
            return expected
        return replace(expected, improvement=min(1.0, delivered.divergence / probable.divergence))
