"""The points of a finished curve: what they are called, which one is delivered, and what was found of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from primesvt_client.shares import rate_text
from primesvt_core.report.schema import CurveFigures, Outcome, Report

Offer = Callable[[CurveFigures], tuple[str, str]]
"""Of a point of the curve the limit that another budget needs for it, and where that is asked for; empty if nowhere."""


def nothing_offered(_point: CurveFigures) -> tuple[str, str]:
    """No point can be asked for."""
    return "", ""


@dataclass(frozen=True, kw_only=True)
class CurveRow:
    """One point for people; losses are of accuracy, or of agreement where a disagreement is promised.

    Attributes:
        search_loss: on the search images.
        confirmed_loss: on the confirmation images; None where it was not tested there.
        bound: of that.
        limit: what another budget must allow for it, as people type it; empty where none can be asked for.
        url: where that budget is asked for.
    """

    label: str
    memory_saving: float
    search_loss: float
    confirmed_loss: float | None
    bound: float | None
    outcome: Outcome
    is_delivered: bool
    limit: str
    url: str


def rows(report: Report, offer: Offer = nothing_offered) -> tuple[CurveRow, ...]:
    """All points of a report's curve, in its order."""
    chosen = delivered_point(report)
    return tuple(_row(report, point, point is chosen, offer(point)) for point in report.curve)


def _row(report: Report, point: CurveFigures, is_delivered: bool, offered: tuple[str, str]) -> CurveRow:
    return CurveRow(
        label=candidate(point), memory_saving=point.memory_saving, search_loss=point.loss,
        confirmed_loss=point.confirmed_loss, bound=bound_of(report, point), outcome=report.outcome(point),
        is_delivered=is_delivered, limit=offered[0], url=offered[1],
    )  # fmt: skip


def delivered_point(report: Report) -> CurveFigures | None:
    """The point of the curve that is delivered: of its size the last, and one that was tested if there is any."""
    alike = [point for point in report.curve if point.parameter_bytes == report.pruned.parameter_bytes]
    tested = [point for point in alike if point.confirmed_loss is not None]
    return next(iter(reversed(tested or alike)), None)


def bound_of(report: Report, point: CurveFigures) -> float | None:
    """Of what a point loses; of the one that is delivered older reports have it elsewhere."""
    if point.loss_upper_bound is not None or point is not delivered_point(report) or report.is_original:
        return point.loss_upper_bound
    held = report.confirmation
    return held.drop_upper_bound if held.disagreement_upper_bound is None else held.disagreement_upper_bound


def candidate(point: CurveFigures) -> str:
    """What a point of the curve is called."""
    if point.group is None:
        return "candidate" if point.rates else "original"
    return f"{point.group} at {rate_text(point.rates.get(point.group, 0.0))}"
