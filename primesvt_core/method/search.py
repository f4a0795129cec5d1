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
class Goal:
    """A budget in the terms of one model: what may be lost, and the bytes and multiply-accumulates to reach.

    Attributes:
        target_bytes: of the parameter memory.
        max_stored_bytes: of the parameters and buffers in the file.
    """

    allowed_drop: float | None
    target_bytes: int | None
    max_macs: int | None = None
    max_stored_bytes: int | None = None

    @property
    def has_target(self) -> bool:
        """Whether the model has to become so small; otherwise as much as possible is saved."""
        return any(limit is not None for limit in (self.target_bytes, self.max_macs, self.max_stored_bytes))

    def is_reached(self, parameter_bytes: int, macs: int, stored_bytes: int) -> bool:
        """Whether a model of that size meets every target, if there are any."""
        return (
            (self.target_bytes is None or parameter_bytes <= self.target_bytes)
            and (self.max_macs is None or macs <= self.max_macs)
            and (self.max_stored_bytes is None or stored_bytes <= self.max_stored_bytes)
        )


def goal(budget: Budget, *, baseline_accuracy: float, parameter_bytes: int) -> Goal:
    """Turn a budget into a goal; if two limits conflict, the stricter one applies.

    Raises:
        ImpossibleBudget: if the original is already below the accuracy floor.
    """
    drops = [] if budget.max_accuracy_drop is None else [budget.max_accuracy_drop]
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
        max_stored_bytes=budget.max_stored_bytes,
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
    smallest_stored_bytes: int
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
    if budget.max_stored_bytes is not None and budget.max_stored_bytes < reach.smallest_stored_bytes:
        raise _out_of_reach(
            "stored bytes", budget.max_stored_bytes, reach.parameter_bytes, reach.smallest_stored_bytes,
            "stored_bytes", reach.limits,
        )  # fmt: skip


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
    stored_bytes: Callable[[Rates], int],
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
        stored_bytes: of the file at the given rates.
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
            is_stored_small=_stored_limit(goal, stored_bytes),
            memory=memory,
            macs=macs,
            is_within=partial(_with_drop, is_within, allowed_drop),
            known=partial(_with_drop, known, allowed_drop),
        )
        curves.append(policy(problem, evaluate))
        if problem.reaches_target(curves[-1][-1].rates):
            break

    def reaches(point: CurvePoint) -> bool:
        return goal.is_reached(point.parameter_bytes, macs(point.rates), stored_bytes(point.rates))

    # Fewer bytes may come with more multiply-accumulates: what reaches the target goes before what is smaller.
    curve = min(curves, key=lambda c: (not reaches(c[-1]), c[-1].parameter_bytes, c[-1].accuracy_drop))
    best = curve[-1]
    return Search(curve=curve, best=best, fallbacks=gentler(curves, best), reached=reaches(best))


def _stored_limit(goal: Goal, stored_bytes: Callable[[Rates], int]) -> Callable[[Rates], bool] | None:
    most = goal.max_stored_bytes
    return None if most is None else lambda rates: stored_bytes(rates) <= most


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
