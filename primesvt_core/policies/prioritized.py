"""The prioritized compression policy (PrimeSVT, arXiv 2606.03428): from the largest targeted layer to the smallest."""

from __future__ import annotations

from collections.abc import Iterator

from primesvt_core.policies._base import Curve, Evaluate, Policy, PolicyParams, Problem
from primesvt_core.types import CurvePoint, Rates


def search(problem: Problem, evaluate: Evaluate, _params: PolicyParams) -> Curve:
    """Give each group, in order, the deepest rate that keeps the accuracy, until the target is met."""
    curve = [problem.start]
    for group in problem.candidates:
        if problem.reaches_target(curve[-1].rates):
            break
        step = _deepest(problem, evaluate, curve[-1], group)
        if step is not None:
            curve.append(step)
    return tuple(curve)


def _deepest(problem: Problem, evaluate: Evaluate, last: CurvePoint, group: str) -> CurvePoint | None:
    """The deepest rate of ``group`` that keeps the accuracy, on top of what is pruned already."""
    for rate in _worth_trying(problem, last, group):
        rates = {**last.rates, group: rate}
        if not _is_within(problem, rates, group):
            continue
        outcome = evaluate(rates)
        drop = problem.start.accuracy - outcome.accuracy
        if problem.keeps_floor(drop):
            return CurvePoint(
                group=group,
                rates=rates,
                accuracy=outcome.accuracy,
                accuracy_drop=drop,
                parameter_bytes=outcome.parameter_bytes,
                memory_saving=outcome.memory_saving,
            )
    return None


def _is_within(problem: Problem, rates: Rates, group: str) -> bool:
    """Whether ``group`` is robust at its rate, and the whole candidate stays within the drop.

    Where it is not known whether the group is, the whole candidate is asked for first, which fails more often.
    """
    alone = {group: rates[group]}
    return problem.known(alone) is not False and problem.is_within(rates) and problem.is_within(alone)


def _worth_trying(problem: Problem, last: CurvePoint, group: str) -> Iterator[float]:
    """Rates that save something, deepest first; of those that reach the target only the gentlest that is robust."""
    memory = {rate: problem.memory({**last.rates, group: rate}) for rate in problem.candidates[group]}
    useful = [rate for rate in sorted(memory) if memory[rate] < last.parameter_bytes]
    reaching = [rate for rate in useful if problem.reaches_target({**last.rates, group: rate})]
    gentlest = next((rate for rate in reaching if problem.is_robust(group, rate)), None)
    if gentlest is not None:
        yield gentlest
    for rate in reversed(useful):
        if rate not in reaching:
            yield rate


POLICY = Policy(search=search, params=PolicyParams)
