"""The curve of a finished run, as its report tells it, and what another budget asks of it. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from primesvt_core.errors import NotRetargetable
from primesvt_core.method.finished_curve import FinishedCurve, check_finished
from primesvt_core.report.schema import Report
from primesvt_core.types import CurvePoint


def another_spec(
    document: Mapping[str, Any], max_accuracy_drop: float | None, max_disagreement: float | None = None
) -> dict[str, Any]:
    """What a finished run is asked for: another drop, of models for the time steps that its points run for.

    Args:
        document: the run's spec.
        max_accuracy_drop: that is allowed now, of a run that promised an accuracy drop.
        max_disagreement: that is allowed now, of a run that promised a disagreement.

    Returns:
        A spec's document, not validated.

    Raises:
        NotRetargetable: if it is not the one of both that the run promised.
    """
    first, steps = document["budget"], document["budget"].get("max_time_steps")
    by_disagreement = first.get("max_disagreement") is not None
    name, given = (
        ("max_disagreement", max_disagreement) if by_disagreement else ("max_accuracy_drop", max_accuracy_drop)
    )
    if given is None or None not in (max_accuracy_drop, max_disagreement):
        promised = "a disagreement" if by_disagreement else "an accuracy"
        raise NotRetargetable(
            f"the run promised {promised}, by which its points were found and tested: give another"
            f" --{name.replace('_', '-')} alone, or compress again"
        )
    kept = {field: value for field, value in document.items() if field != "accept_unproven"}
    limits = {} if steps is None else {"max_time_steps": steps}
    return {**kept, "budget": {name: given, **limits}}


def finished_curve(name: str, report: Report, budgets: tuple[float, ...] | None = None) -> FinishedCurve:
    """The curve of a finished run.

    Args:
        name: of the run, for people.
        report: of the run.
        budgets: that were asked for of the curve since it was found; those that the report knows if not given.

    Raises:
        NotRetargetable: naming why no other point of it can be promised.
    """
    family = report.family_of_budgets
    _check_kind(name, report)
    points = tuple(
        CurvePoint(
            rates=point.rates, accuracy=1 - point.loss if point.accuracy is None else point.accuracy,
            accuracy_drop=point.loss,
            parameter_bytes=point.parameter_bytes, memory_saving=point.memory_saving, divergence=point.divergence,
        )
        for point in report.curve
        if point.rates
    )  # fmt: skip
    check_finished(name, points)
    known = family.budgets if family else ()
    return FinishedCurve(
        name=name,
        points=points,
        images=report.compared_images or report.data.search_images,
        first_budget=family.first_budget if family else report.confirmation.allowed_loss,
        budgets=known if budgets is None else budgets,
        by_disagreement=report.by_disagreement,
    )


def _check_kind(name: str, report: Report) -> None:
    """Refuse a run that found no curve, or one whose points are known only once everything was confirmed or trained."""
    if report.given_rates is not None:
        raise NotRetargetable(f"{name} carried out a given plan, which is one point; compress instead")
    if report.spec.fine_tuning.is_asked:
        raise NotRetargetable(f"{name} fine-tunes what it delivers, which has to be done anew; compress instead")
    if report.spec.budget.min_accuracy is not None:
        raise NotRetargetable(
            f"{name} had min_accuracy, so that its points depend on what its original reaches on the"
            " confirmation images; compress instead"
        )
