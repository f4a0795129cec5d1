"""Jobs beside each other: everything by which two jobs can differ, in rows, and the curves that they found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import JsonValue

from app.jobs.records import Job
from primesvt_client.facts import ResultSummary
from primesvt_core.report.csv_tables import csv_line
from primesvt_core.report.schema import Report

Unit = Literal["", "fraction", "points", "bytes", "seconds", "count", "joules"]
"""Of numbers; points are differences of fractions."""

LONGEST = 300
"""Characters shown of a text; differences are told by all of it."""

FIGURES: Mapping[str, Unit] = {
    "baseline_accuracy": "fraction",
    "pruned_accuracy": "fraction",
    "accuracy_drop": "points",
    "drop_upper_bound": "points",
    "disagreement": "fraction",
    "memory_saving": "fraction",
    "parameter_bytes_before": "bytes",
    "parameter_bytes_after": "bytes",
    "macs_before": "count",
    "macs_after": "count",
}
MEASURED: Mapping[str, Unit] = {"file_bytes": "bytes", "synaptic_operations": "count", "energy_joules": "joules"}
"""Of the pruned model in the report, beside the figures of the summary."""

SPEC_UNITS: Mapping[str, Unit] = {
    "max_accuracy_drop": "points",
    "min_accuracy": "fraction",
    "max_disagreement": "fraction",
    "min_memory_saving": "fraction",
    "max_parameter_bytes": "bytes",
    "max_inference_bytes": "bytes",
    "max_stored_bytes": "bytes",
}


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A job that is compared.

    Attributes:
        report: of a finished one, where it can be read.
        note: what is not known, and why.
    """

    job: Job
    checkpoint_name: str
    dataset_name: str
    report: Report | None
    note: str


@dataclass(frozen=True, kw_only=True)
class ComparedJob:
    """What stands above a job's column; ``note`` says what is not known of it, and why."""

    id: str
    name: str
    state: str
    note: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """One thing by which jobs are compared: a value of each, in their order; None where it has none."""

    section: str
    name: str
    unit: Unit
    values: tuple[JsonValue, ...]
    differs: bool


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """A candidate of a run; ``loss`` is the accuracy drop, or the disagreement."""

    memory_saving: float
    loss: float
    confirmed_loss: float | None
    confirmed: bool | None


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The candidates that a job found, smallest saving first."""

    job_id: str
    by_disagreement: bool
    points: tuple[CurvePoint, ...]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Jobs beside each other."""

    jobs: tuple[ComparedJob, ...]
    rows: tuple[Row, ...]
    curves: tuple[Curve, ...]


Key = tuple[str, str, Unit]
"""Section, name and unit of a row."""


def compare(jobs: Iterable[Compared]) -> Comparison:
    """Put jobs beside each other; they are taken one by one, so that one report at a time need be in memory."""
    heads, columns, curves = [], [], []
    for each in jobs:
        job = each.job
        heads.append(ComparedJob(id=job.id, name=job.name, state=job.state.value, note=each.note))
        columns.append(dict(_facts(each)))
        curves += [_curve(job.id, each.report)] if each.report else []
    keys = dict.fromkeys(key for column in columns for key in column)
    order = {section: place for place, section in enumerate(SECTIONS)}
    rows = [_row(key, [column.get(key) for column in columns]) for key in sorted(keys, key=lambda key: order[key[0]])]
    return Comparison(jobs=tuple(heads), rows=tuple(rows), curves=tuple(curves))


def as_csv(comparison: Comparison, *, all_rows: bool, transposed: bool) -> Iterator[str]:
    """The rows as a table, a job a column; transposed a job a line."""
    rows = [row for row in comparison.rows if all_rows or row.differs]
    head = [f"{row.section}: {row.name}" for row in rows]
    if transposed:
        yield csv_line(["job", *head])
        for place, job in enumerate(comparison.jobs):
            yield csv_line([job.id, *(_cell(row.values[place]) for row in rows)])
        return
    yield csv_line(["", *(job.id for job in comparison.jobs)])
    for name, row in zip(head, rows, strict=True):
        yield csv_line([name, *map(_cell, row.values)])


def _cell(value: JsonValue) -> str | float:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else value if isinstance(value, int | float) else str(value)


SECTIONS = ("job", "result", "inputs", "spec", "versions", "rates")


def _row(key: Key, values: Sequence[JsonValue]) -> Row:
    section, name, unit = key
    differs = any(value != values[0] or type(value) is not type(values[0]) for value in values)
    return Row(section=section, name=name, unit=unit, values=tuple(map(_shortened, values)), differs=differs)


def _shortened(value: JsonValue) -> JsonValue:
    return value[: LONGEST - 1] + "…" if isinstance(value, str) and len(value) > LONGEST else value


def _facts(each: Compared) -> Iterator[tuple[Key, JsonValue]]:
    for section, facts in (
        ("job", _of_job(each.job)), ("result", _of_result(each)), ("inputs", _of_inputs(each)),
        ("spec", _of_spec(each.job.spec)), ("versions", _of_versions(each)), ("rates", _of_rates(each)),
    ):  # fmt: skip
        for name, unit, value in facts:
            if value is not None:
                yield (section, name, unit), value


Facts = Iterable[tuple[str, Unit, JsonValue]]


def _of_job(job: Job) -> Facts:
    yield "name", "", job.name
    yield "state", "", job.state.value
    yield "submitted_by", "", job.submitted_by
    yield "tags", "", ", ".join(job.tags) or None
    yield "note", "", job.note or None
    yield "created_at", "", _moment(job.created_at)
    yield "finished_at", "", _moment(job.finished_at)
    yield "run_seconds", "seconds", round(job.run_seconds, 3)
    yield "device", "", job.runs_on
    yield "problem", "", job.problem.code if job.problem else None


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")


def _of_result(each: Compared) -> Facts:
    yield "verdict", "", each.job.verdict
    summary = each.job.summary or ResultSummary()
    for name, unit in FIGURES.items():
        yield name, unit, getattr(summary, name)
    if each.report is not None:
        for name, unit in MEASURED.items():
            yield name, unit, getattr(each.report.pruned, name)


def _of_inputs(each: Compared) -> Facts:
    job, report = each.job, each.report
    yield "checkpoint", "", each.checkpoint_name
    yield "dataset", "", each.dataset_name or None
    yield "train_dataset_id", "", job.train_dataset_id
    yield "parent_id", "", job.parent_id
    if report is not None:
        yield "checkpoint_sha256", "", report.checkpoint_sha256
        yield "dataset_fingerprint", "", report.data.fingerprint
        yield "confirmation_images", "count", report.data.confirmation_images


def _of_spec(spec: Mapping[str, Any], above: str = "") -> Facts:
    for name, value in spec.items():
        path = f"{above}{name}"
        if isinstance(value, Mapping):
            yield from _of_spec(value, f"{path}.")
        elif isinstance(value, list | tuple):
            yield path, "", ", ".join(map(str, value))
        else:
            yield path, SPEC_UNITS.get(name, "") if above == "budget." else "", value


def _of_versions(each: Compared) -> Facts:
    if each.report is not None:
        yield "primesvt", "", each.report.primesvt_version
        for name, value in each.report.environment.items():
            yield name, "", value


def _of_rates(each: Compared) -> Facts:
    if each.report is not None:
        for group in each.report.groups:
            yield group.name, "fraction", group.rate
    elif each.job.plan is not None:
        for name, rate in each.job.plan.items():
            yield name, "fraction", rate if isinstance(rate, int | float) else str(rate)


def _curve(job_id: str, report: Report) -> Curve:
    points = (
        CurvePoint(
            memory_saving=point.memory_saving, loss=point.loss, confirmed_loss=point.confirmed_loss,
            confirmed=point.confirmed,
        )
        for point in report.curve
    )  # fmt: skip
    return Curve(
        job_id=job_id,
        by_disagreement=report.by_disagreement,
        points=tuple(sorted(points, key=lambda point: point.memory_saving)),
    )
