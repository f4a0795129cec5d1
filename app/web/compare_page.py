"""Jobs beside each other: what differs, or all, and their curves in one chart."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query, Request, Response
from pydantic import JsonValue

from app.api.deps import Services
from app.errors import Invalid
from app.jobs.comparing import MOST
from app.jobs.comparison import Comparison, Row, Unit
from app.teams.scopes import Scope
from app.web import labels
from app.web.rendering import page
from app.web.routing import PageRouter
from app.web.sessions import PageUser, page_access
from primesvt_client.schemas.jobs import JobIdText
from primesvt_client.sizes import operations_text
from primesvt_client.verdicts import title

router = PageRouter("/compare")

SECTIONS = {
    "job": "Job", "result": "Result", "inputs": "Inputs", "spec": "Spec", "versions": "Versions", "rates": "Rates",
}  # fmt: skip

MOMENTS = (("job", "created_at"), ("job", "finished_at"))
TITLES = {
    "submitted_by": "submitted by", "created_at": "created", "finished_at": "finished", "run_seconds": "run time",
    "baseline_accuracy": "accuracy of the original", "pruned_accuracy": "accuracy", "accuracy_drop": "accuracy drop",
    "drop_upper_bound": "upper bound of the drop", "memory_saving": "memory saved",
    "parameter_bytes_before": "memory of the original", "parameter_bytes_after": "memory",
    "macs_before": "multiply-accumulates of the original", "macs_after": "multiply-accumulates",
    "file_bytes": "file", "synaptic_operations": "synaptic operations", "energy_joules": "energy per image",
    "dataset": "data set", "train_dataset_id": "training data", "parent_id": "another budget for",
    "checkpoint_sha256": "SHA-256 of the checkpoint", "dataset_fingerprint": "fingerprint of the data set",
    "confirmation_images": "confirmation images",
}  # fmt: skip
"""Of rows whose names the API has as identifiers; those of specs are shown as people write them."""


@router.get("")
def show_comparison(
    request: Request,
    user: Annotated[PageUser, page_access(Scope.JOBS_READ)],
    services: Services,
    job: Annotated[list[JobIdText] | None, Query(max_length=MOST)] = None,
    all_rows: Annotated[str, Query(alias="all", max_length=5)] = "",
    transposed: Annotated[str, Query(max_length=5)] = "",
) -> Response:
    """Two to twenty jobs; their differences alone unless all rows are asked for."""
    wanted = [*dict.fromkeys(job or ())]
    try:
        found = services.comparison.of(user.team_id, wanted, with_reports=user.may(Scope.ARTIFACTS_READ))
    except Invalid as error:
        return page(request, "compare.html", 422, user=user, error=error, comparison=None)
    shown = {"all_rows": bool(all_rows), "transposed": bool(transposed)}
    return page(
        request,
        "compare.html",
        user=user,
        error=None,
        comparison=found,
        rows=[row for row in found.rows if row.differs or shown["all_rows"]],
        same=sum(not row.differs for row in found.rows),
        cell=cell,
        row_title=row_title,
        sections=SECTIONS,
        **shown,
        urls={
            "all_rows": _url(wanted, shown | {"all_rows": not shown["all_rows"]}),
            "transposed": _url(wanted, shown | {"transposed": not shown["transposed"]}),
            "csv": f"/api/v1/jobs/compare.csv?{_csv(wanted, shown)}",
        },
        chart=_chart(found),
    )


def _url(wanted: Sequence[str], shown: dict[str, bool]) -> str:
    names = {"all_rows": "all", "transposed": "transposed"}
    pairs = [("job", one) for one in wanted] + [(names[name], "1") for name, is_on in shown.items() if is_on]
    return f"/compare?{urlencode(pairs)}"


def _csv(wanted: Sequence[str], shown: dict[str, bool]) -> str:
    return urlencode([("job", one) for one in wanted] + [(name, "true") for name, is_on in shown.items() if is_on])


def row_title(row: Row) -> str:
    """What a row is called."""
    return row.name if row.section in ("spec", "versions", "rates") else TITLES.get(row.name, row.name)


def cell(row: Row, value: JsonValue) -> str:
    """A value as people read it."""
    if value is None:
        return labels.NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return _number(float(value), row.unit)
    if (row.section, row.name) == ("result", "verdict"):
        return title(str(value))
    if (row.section, row.name) in MOMENTS:
        return labels.utc(datetime.fromisoformat(str(value)))
    return labels.state(str(value)) if (row.section, row.name) == ("job", "state") else str(value)


def _number(value: float, unit: Unit) -> str:
    match unit:
        case "fraction":
            return labels.percent(value)
        case "points":
            return labels.points(value)
        case "bytes":
            return labels.size(value)
        case "seconds":
            return labels.duration(value)
        case "count":
            return operations_text(value)
        case "joules":
            return f"{1e6 * value:,.3g} µJ"
        case _:
            return f"{value:g}"


def _chart(found: Comparison) -> dict[str, object]:
    """The curves in percent and points, named by their jobs."""
    names = {job.id: job.name for job in found.jobs}
    places = {job.id: place for place, job in enumerate(found.jobs, 1)}
    curves = [
        {
            "label": f"{places[curve.job_id]}: {names[curve.job_id]}",
            "by_disagreement": curve.by_disagreement,
            "points": [
                {
                    "saving": 100 * point.memory_saving,
                    "loss": 100 * point.loss,
                    "confirmed_loss": None if point.confirmed_loss is None else 100 * point.confirmed_loss,
                    "confirmed": point.confirmed,
                }
                for point in curve.points
            ],
        }
        for curve in found.curves
    ]
    return {"curves": curves}
