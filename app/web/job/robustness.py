"""What is lost when one channel group alone is pruned: all groups by all rates, with the zone of the budget."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from app.web.chart_data import RobustnessCurve
from primesvt_client.shares import rate_text
from primesvt_core.report.schema import Report

USUAL_LIMIT = 3.0
"""Points of the zone where the budget does not limit what may be lost."""

NEAR = 2.0
"""Times the limit; beyond, a group is left alone."""

Zone = Literal["kept", "near", "over"]


@dataclass(frozen=True, kw_only=True)
class Loss:
    """What one group loses at one rate.

    Attributes:
        text: points of accuracy, or percent of disagreement; with a sign where it is the least possible.
        zone: within the limit, within twice the limit, or beyond.
    """

    text: str
    zone: Zone


@dataclass(frozen=True, kw_only=True)
class GroupLosses:
    """One channel group.

    Attributes:
        losses: by the rates of the table; None where nothing was measured.
        delivered: the rate at which the delivered model has it, in words; empty where it is left whole, or not known.
    """

    group: str
    losses: tuple[Loss | None, ...]
    delivered: str = ""


@dataclass(frozen=True, kw_only=True)
class RobustnessTable:
    """All groups by all rates.

    Attributes:
        limit: of the zone, in points or percent.
        is_of_budget: whether the budget says so.
    """

    rates: tuple[str, ...]
    groups: tuple[GroupLosses, ...]
    limit: float
    is_of_budget: bool


def table(curves: Iterable[RobustnessCurve], most_lost: float | None, report: Report | None) -> RobustnessTable:
    """The curves of a chart as a table.

    Args:
        curves: one a group.
        most_lost: what the budget allows to be lost, in points or percent.
        report: of a finished job, which says at which rates the groups are delivered.
    """
    curves = tuple(curves)
    rates = sorted({rate for curve in curves for rate, _ in curve.points if rate})
    limit = most_lost or USUAL_LIMIT
    chosen = {group.name: group.rate for group in report.groups if group.rate} if report is not None else {}
    return RobustnessTable(
        rates=tuple(rate_text(rate / 100) for rate in rates),
        groups=tuple(
            GroupLosses(
                group=curve.group,
                losses=_losses(curve, rates, limit),
                delivered=rate_text(chosen[curve.group]) if curve.group in chosen else "",
            )
            for curve in curves
        ),
        limit=limit,
        is_of_budget=bool(most_lost),
    )


def _losses(curve: RobustnessCurve, rates: Iterable[float], limit: float) -> tuple[Loss | None, ...]:
    found = dict(curve.points)
    return tuple(
        _loss(found[rate], limit, is_bound=rate in curve.bounds) if rate in found else None for rate in rates
    )  # fmt: skip


def _loss(lost: float, limit: float, *, is_bound: bool) -> Loss:
    zone: Zone = (
        "kept" if lost <= limit and not (is_bound and lost == limit) else "near" if lost <= NEAR * limit else "over"
    )
    number = f"{lost:.2f}"
    text = number.removeprefix("-") if float(number) == 0 else number.replace("-", "\N{MINUS SIGN}")
    return Loss(text=f"≥ {text}" if is_bound else text, zone=zone)
