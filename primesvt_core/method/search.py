"""From a budget to candidates: which losses the policy is allowed on the search split, round by round.

What a search loses on its own images is less than what it loses on others (it chose what looked good there), so a
round that may lose the whole floor seldom keeps it. With a target the rounds therefore begin at a quarter of
the floor and allow more only if the target is out of reach; without one they begin at the whole floor, and the
gentler rounds supply what the confirmation falls back to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from primesvt_core.errors import ImpossibleBudget
from primesvt_core.policies._base import Evaluate, PolicySearch, Problem
from primesvt_core.spec import Budget
from primesvt_core.types import CurvePoint, ProfileCell, Rates

TARGET_SHARES = (0.25, 0.5, 0.75, 1.0)
"""Shares of the allowed drop that rounds with a memory target may lose, gentlest first."""

RECOVERY_SHARES = (1.5, 2.0, 4.0, 8.0)
"""Further shares where fine-tuning gets accuracy back afterwards."""

MAXIMUM_SHARES = (1.0, 0.5, 0.25)
"""Shares of rounds that save as much as they can, deepest first."""

UNBOUNDED_DROPS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.0)
"""Drops of rounds with a memory target and no accuracy floor."""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A limit of a budget beside parameter memory and multiply-accumulates, in the terms of one model.

    Attributes:
        name: of what it limits, as refusals name it among their facts.
        unit: the same for people.
        most: that the pruned model may have.
        cost: what it has at the given rates; costs little.
        measure: the same as measured, where the cost is an estimate; None where it is exact.
    """

    name: str
    unit: str
    most: int
    cost: Callable[[Rates], float]
    measure: Callable[[Rates], float] | None = None

    def is_kept(self, rates: Rates) -> bool:
        """Whether the model pruned at the given rates has no more."""
        return self.cost(rates) <= self.most


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A budget in the terms of one model: what may be lost, and what is to be reached.

    Attributes:
        allowed_drop: loss of accuracy; None without a limit.
        target_bytes: parameter memory; likewise.
        max_macs: multiply-accumulates of one image; likewise.
        limits: the others.
        takes_original: whether the original itself may reach the targets; not where it runs for too many time steps.
        by_disagreement: whether what the original says counts instead of labels: losses are disagreements.
    """

    allowed_drop: float | None
    target_bytes: int | None
    max_macs: int | None = None
    limits: tuple[Limit, ...] = ()
    takes_original: bool = True
    by_disagreement: bool = False

    @property
    def has_target(self) -> bool:
        """Whether the model has to become so small; otherwise as much as possible is saved."""
        return self.target_bytes is not None or self.max_macs is not None or bool(self.limits)

    def is_reached(self, parameter_bytes: int, macs: int, rates: Rates) -> bool:
        """Whether the model of that size, pruned at the given rates, meets every target, if there are any."""
        return (
            (self.target_bytes is None or parameter_bytes <= self.target_bytes)
            and (self.max_macs is None or macs <= self.max_macs)
            and self.keeps_limits(rates)
        )

    @property
    def has_limits(self) -> bool:
        """Whether there are any beside memory and multiply-accumulates that a target has to keep."""
        return bool(self.limits) or (self.has_target and not self.takes_original)

    def keeps_limits(self, rates: Rates) -> bool:
        """Whether the model pruned at the given rates keeps the limits beside memory and multiply-accumulates."""
        return (self.takes_original or bool(rates)) and all(limit.is_kept(rates) for limit in self.limits)


def first_kept(candidates: Iterable[Rates], limits: Sequence[Limit]) -> int | None:
    """The place of the first candidate that keeps all limits as measured; None if none does.

    Estimates that turned out too low are raised in proportion before the next candidate is measured.

    Args:
        candidates: that keep them as estimated, those that have the most first.
        limits: of the goal.
    """
    estimated = [limit for limit in limits if limit.measure is not None]
    factors = dict.fromkeys((limit.name for limit in estimated), 1.0)
    for place, rates in enumerate(candidates):
        for limit in estimated:
            if limit.cost(rates) * factors[limit.name] > limit.most:
                break
            found = limit.measure(rates) if limit.measure else 0.0
            factors[limit.name] = max(1.0, found / max(limit.cost(rates), 1.0))
            if found > limit.most:
                break
        else:
            return place
    return None


def goal(
    budget: Budget,
    *,
    baseline_accuracy: float,
    parameter_bytes: int,
    limits: Sequence[Limit] = (),
    takes_original: bool = True,
) -> Goal:
    """Turn a budget into a goal; if two limits conflict, the stricter one applies.

    Args:
        budget: of the spec.
        baseline_accuracy: of the original.
        parameter_bytes: likewise.
        limits: those of the budget that are neither of memory nor of multiply-accumulates.
        takes_original: whether the original itself may reach the targets.

    Raises:
        ImpossibleBudget: if the original is already below the accuracy floor.
    """
    drops = [] if budget.allowed_drop is None else [budget.allowed_drop]
    if budget.min_accuracy is not None:
        drops.append(baseline_accuracy - budget.min_accuracy)
    if drops and min(drops) < 0:
        raise ImpossibleBudget(
            f"the budget requires an accuracy of at least {budget.min_accuracy:.2%}, but the original model reaches"
            f" {baseline_accuracy:.2%} on this data set; lower min_accuracy"
        )
    return Goal(
        allowed_drop=min(drops, default=None),
        target_bytes=target_bytes(budget, parameter_bytes),
        max_macs=budget.max_macs,
        limits=tuple(limits),
        takes_original=takes_original,
        by_disagreement=budget.by_disagreement,
    )


def target_bytes(budget: Budget, parameter_bytes: int) -> int | None:
    """Bytes that the pruned model may have at the most; None without a limit."""
    bounds = [] if budget.max_parameter_bytes is None else [budget.max_parameter_bytes]
    if budget.min_memory_saving is not None:
        bounds.append(bytes_left(parameter_bytes, budget.min_memory_saving))
    return min(bounds, default=None)


def bytes_left(parameter_bytes: int, saving: float) -> int:
    """Bytes that may be left of a model where a share of them is to be saved."""
    return int(parameter_bytes * (1 - saving))


@dataclass(frozen=True, kw_only=True)
class Reach:
    """How far a model can be pruned: with every group at its deepest rate, within its limits.

    Attributes:
        limits: what the spec's limits are called; empty without any.
    """

    parameter_bytes: int
    smallest_bytes: int
    macs: int
    smallest_macs: int
    limits: str = ""


def check_reachable(budget: Budget, reach: Reach) -> None:
    """Refuse, before any evaluation, a target that is out of reach even with every group at its deepest rate.

    Raises:
        ImpossibleBudget: with the smallest that is possible, and the limits that stand in the way.
    """
    target = target_bytes(budget, reach.parameter_bytes)
    if target is not None:
        check_memory_target(target, reach.parameter_bytes, reach.smallest_bytes, reach.limits)
    if budget.max_macs is not None and budget.max_macs < reach.smallest_macs:
        raise _out_of_reach(
            "multiply-accumulates", budget.max_macs, reach.macs, reach.smallest_macs, "macs", reach.limits
        )


def check_limit(limit: Limit, deepest: Rates, limits: str) -> None:
    """Refuse a limit that is out of reach even with every group at its deepest rate; none whose cost is an estimate.

    Args:
        limit: whose cost does not grow with the rates.
        deepest: every group's deepest rate.
        limits: what the spec's limits are called; empty without any.

    Raises:
        ImpossibleBudget: with the smallest that is possible, and the limits that stand in the way.
    """
    if limit.measure is None and not limit.is_kept(deepest):
        whole, smallest = int(limit.cost({})), int(limit.cost(deepest))
        raise _out_of_reach(limit.unit, limit.most, whole, smallest, limit.name, limits)


def check_memory_target(target: int, whole: int, smallest: int, limits: str) -> None:
    """Refuse a memory target that is out of reach even with every group at its deepest rate.

    Args:
        target: bytes that the pruned model may have at the most.
        whole: bytes of the original.
        smallest: bytes with every group at its deepest rate.
        limits: what the spec's limits are called; empty without any.

    Raises:
        ImpossibleBudget: with the smallest that is possible, and the limits that stand in the way.
    """
    if target < smallest:
        raise _out_of_reach("bytes", target, whole, smallest, "parameter_bytes", limits)


def _out_of_reach(unit: str, target: int, whole: int, smallest: int, fact: str, limits: str) -> ImpossibleBudget:
    within = f" within {limits}" if limits else ""
    advice = "relax these limits" if limits else "save less, allow more groups"
    return ImpossibleBudget(
        f"the budget leaves {target:,} {unit} of the model's {whole:,}, but even with every group at its deepest rate"
        f"{within} {smallest:,} {unit} remain (a saving of {1 - smallest / whole:.1%}); {advice} or add deeper rates",
        facts={f"smallest_{fact.removeprefix('parameter_')}": smallest, fact: whole},
    )


def allowances(goal: Goal, *, recovers: bool) -> tuple[float, ...]:
    """Drops on the search split that the rounds are allowed, in their order.

    Args:
        goal: of the search.
        recovers: whether fine-tuning follows.
    """
    if goal.allowed_drop is None:
        return UNBOUNDED_DROPS
    if not goal.has_target:
        return tuple(share * goal.allowed_drop for share in MAXIMUM_SHARES)
    shares = TARGET_SHARES + (RECOVERY_SHARES if recovers else ())
    return tuple(share * goal.allowed_drop for share in shares)


@dataclass(frozen=True, kw_only=True)
class Search:
    """What the rounds found.

    Attributes:
        curve: accepted steps of the round that found ``best``, the unpruned model first.
        best: the candidate to confirm first.
        fallbacks: other candidates that save less, ascending in saving.
        reached: whether ``best`` meets every target (true without one).
        is_shortlist: whether each of these candidates was chosen to be tested; otherwise a few of them are.
    """

    curve: tuple[CurvePoint, ...]
    best: CurvePoint
    fallbacks: tuple[CurvePoint, ...]
    reached: bool
    is_shortlist: bool = False


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """The engine and the modules as they are, on the same candidates and images.

    Attributes:
        compared: predictions that both have made.
        differing: of these, those of another class.
    """

    compared: int
    differing: int


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a run has found before the confirmation.

    Attributes:
        search: the curve, and the candidates to test.
        cells: of the profile, as far as they were asked for.
        evaluations: candidates that were computed, wholly or in part.
        agreement: of the engine with the modules.
        images: of the search split on which candidates were compared, at the most.
    """

    search: Search
    cells: tuple[ProfileCell, ...]
    evaluations: int
    agreement: Agreement
    images: int


A = TypeVar("A")


def run_rounds(
    goal: Goal,
    rates: Mapping[str, tuple[float, ...]],
    start: CurvePoint,
    memory: Callable[[Rates], int],
    macs: Callable[[Rates], int],
    is_within: Callable[[Rates, float], bool],
    policy: PolicySearch,
    evaluate: Evaluate,
    *,
    recovers: bool,
    known: Callable[[Rates, float], bool | None],
) -> Search:
    """Let the policy search, round by round, until every target is reached or the rounds are through.

    Args:
        goal: of the search.
        rates: to try of every group, ascending; the groups in the order of the sorting.
        start: the unpruned model.
        memory: parameter memory in bytes at the given rates.
        macs: multiply-accumulates of one image at the given rates.
        is_within: whether the model pruned at the given rates loses at most so much on the search split.
        policy: chooses the rates.
        evaluate: scores a candidate on the search split.
        recovers: whether fine-tuning follows.
        known: what ``is_within`` would answer where nothing has to be computed for it; None where something has.
    """
    curves = []
    for allowed_drop in allowances(goal, recovers=recovers):
        problem = Problem(
            candidates=rates,
            start=start,
            allowed_drop=allowed_drop,
            target_bytes=goal.target_bytes,
            max_macs=goal.max_macs,
            memory=memory,
            macs=macs,
            keeps_limits=goal.keeps_limits if goal.has_limits else None,
            is_within=partial(_with_drop, is_within, allowed_drop),
            known=partial(_with_drop, known, allowed_drop),
        )
        curves.append(policy(problem, evaluate))
        if problem.reaches_target(curves[-1][-1].rates):
            break

    def reaches(point: CurvePoint) -> bool:
        return goal.is_reached(point.parameter_bytes, macs(point.rates), point.rates)

    # Fewer bytes may come with more multiply-accumulates: what reaches the target goes before what is smaller.
    curve = min(curves, key=lambda c: (not reaches(c[-1]), c[-1].parameter_bytes, c[-1].accuracy_drop))
    best = curve[-1]
    return Search(curve=curve, best=best, fallbacks=gentler(curves, best), reached=reaches(best))


def _with_drop(ask: Callable[[Rates, float], A], allowed_drop: float, rates: Rates) -> A:
    return ask(rates, allowed_drop)


def gentler(curves: Iterable[Sequence[CurvePoint]], best: CurvePoint) -> tuple[CurvePoint, ...]:
    """Points that save less than ``best`` and that no other point beats in both saving and accuracy, ascending."""
    points = {tuple(sorted(point.rates.items())): point for curve in curves for point in curve}.values()
    front: list[CurvePoint] = []
    for point in sorted(points, key=lambda p: (p.parameter_bytes, p.accuracy_drop)):
        if point.parameter_bytes > best.parameter_bytes and (
            not front or point.accuracy_drop < front[-1].accuracy_drop
        ):
            front.append(point)
    return tuple(reversed(front))
