"""The curve of a finished run, from which another budget takes another point: nothing is searched for again.

Its points were found before one of them saw a confirmation image, so that bounds of all of them can hold together
(`promise.family`). Free of torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from primesvt_core.errors import NotRetargetable
from primesvt_core.method.shortlist import Measured, forecast, of_disagreement
from primesvt_core.promise.family import joint_confidence
from primesvt_core.types import CurvePoint, Rates


@dataclass(frozen=True, kw_only=True)
class FinishedCurve:
    """What a finished run found on the search split, and which budgets were asked for since.

    Attributes:
        name: of the run, for people.
        points: pruned ones, ascending in saving.
        images: of the search split on which they were compared.
        first_budget: largest drop that the run itself was allowed.
        budgets: that were asked for since, the first of them first; not the one that is asked for now.
        by_disagreement: whether budgets are disagreements, and drops of points likewise.
    """

    name: str
    points: tuple[CurvePoint, ...]
    images: int
    first_budget: float | None
    budgets: tuple[float, ...] = ()
    by_disagreement: bool = False


def check_finished(name: str, points: Sequence[CurvePoint]) -> None:
    """Refuse a curve whose points were not all found before the confirmation.

    Raises:
        NotRetargetable: naming the run, and what to do instead.
    """
    if not points:
        raise NotRetargetable(f"{name} found no smaller model; there is no other point to take")
    if any(point.divergence is None for point in points):
        raise NotRetargetable(
            f"the policy of {name} goes by accuracy: which points it found depends on its budget, and which"
            " are listed on what was confirmed. Compress again with the other budget, and --reuse its results"
        )


def check_same_inputs(name: str, differing: Sequence[str]) -> None:
    """Refuse a run whose cells something else determined: its points would be other models here.

    Args:
        name: of the run.
        differing: inputs that are not the same.

    Raises:
        NotRetargetable: naming them.
    """
    if differing:
        raise NotRetargetable(
            f"{name} had another {', '.join(differing)}: its curve is not of the models that would be made"
            " here; give what it had, or compress again"
        )


def check_sizes(curve: FinishedCurve, memory: Callable[[Rates], int]) -> None:
    """Refuse a curve of another model.

    Args:
        curve: of the finished run.
        memory: parameter memory in bytes at the given rates, of the model that is to be pruned.

    Raises:
        NotRetargetable: naming the run.
    """
    for point in curve.points:
        try:
            is_same = memory(point.rates) == point.parameter_bytes
        except (KeyError, StopIteration):
            is_same = False
        if not is_same:
            raise NotRetargetable(f"the curve of {curve.name} is of another model than this checkpoint")


def likely(curve: FinishedCurve, allowed_drop: float, *, confidence: float, samples: int) -> int:
    """Place of the point with which tests begin: the deepest whose bound is predicted to be within the drop.

    Args:
        curve: of the finished run.
        allowed_drop: of the budget.
        confidence: joint, over all points.
        samples: of the confirmation split.
    """
    level = joint_confidence(confidence, len(curve.points))
    measured = [
        Measured(
            point=point, differing=point.accuracy_drop if curve.by_disagreement else 0.0, samples=curve.images
        )
        for point in curve.points
    ]  # fmt: skip
    if curve.by_disagreement:
        expected = of_disagreement(measured, confidence=level, samples=samples)
    else:
        expected = forecast([], confidence=level, samples=samples)
    within = [place for place, one in enumerate(measured) if expected.bound(one) <= allowed_drop]
    return max(within, default=0)
