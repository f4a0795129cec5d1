"""The limits of a budget beside what the delivered model has of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from app.web import labels
from app.web.form_fields import BUDGET
from primesvt_client.inputs import Unit
from primesvt_core.report.schema import Report

WRITTEN: Mapping[Unit, Callable[[float], str]] = {
    Unit.POINTS: labels.points,
    Unit.PERCENT: labels.percent,
    Unit.BYTES: labels.size,
    Unit.NONE: labels.count,
}
FIELDS = {entry.source.path[-1]: entry.source for entry in BUDGET}


@dataclass(frozen=True, kw_only=True)
class LimitRow:
    """One limit.

    Attributes:
        name: field of the budget.
        label: for people; the name of one that this version does not know.
        delivered: what is proven of the accuracy or the disagreement; what was measured or counted of the others.
    """

    name: str
    label: str
    allowed: str
    delivered: str
    is_kept: bool


def limits(report: Report) -> tuple[LimitRow, ...]:
    """Every limit of the budget; none of an older report, which does not have them."""
    return tuple(
        LimitRow(
            name=limit.name, label=FIELDS[limit.name].label if limit.name in FIELDS else limit.name,
            allowed=_written(limit.name, limit.allowed), delivered=_written(limit.name, limit.delivered),
            is_kept=limit.kept,
        )
        for limit in report.limits
    )  # fmt: skip


def _written(name: str, value: float) -> str:
    field = FIELDS.get(name)
    return f"{value:g}" if field is None else WRITTEN[field.how.unit](value)
