"""Jobs beside each other."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from app.jobs.comparison import LONGEST, Compared, Row, as_csv, compare
from app.jobs.records import Job
from app.jobs.states import JobState
from primesvt_core.report.schema import Report
from tests.support.dashboard import sample_report

AT = datetime(2026, 1, 2, tzinfo=UTC)


def compared(name: str, report: Report | None, **fields: Any) -> Compared:
    job = Job(
        id=f"job_{name}", name=name, state=JobState.SUCCEEDED, checkpoint_id="upl_1", dataset_id="upl_2",
        train_dataset_id=None, retry_of=None, progress=None, verdict="met",
        summary=report.summary() if report else None, problem=None, attempts=1, created_at=AT, started_at=AT,
        finished_at=AT, spec={"preset": "deep", "budget": {"max_accuracy_drop": 0.03}, "rates": [0.1, 0.5]},
    )  # fmt: skip
    job = replace(job, **fields)
    return Compared(job=job, checkpoint_name="m.pth", dataset_name="d.npz", report=report, note="")


def rows_of(*jobs: Compared) -> dict[tuple[str, str], Row]:
    return {(row.section, row.name): row for row in compare(jobs).rows}


def test_what_is_the_same_is_told_from_what_differs() -> None:
    report = sample_report()
    groups = [report.groups[0].model_copy(update={"rate": 0.9}), *report.groups[1:]]
    other = report.model_copy(update={"accuracy_drop": 0.01, "groups": groups, "primesvt_version": "9"})
    spec = {"preset": "deep", "budget": {"max_accuracy_drop": 0.02, "min_memory_saving": 0.25}, "rates": [0.1, 0.5]}
    rows = rows_of(compared("a", report), compared("b", other, spec=spec, tags=("x", "y")))
    differing = {key for key, row in rows.items() if row.differs}
    assert differing == {
        ("job", "name"), ("job", "tags"), ("result", "accuracy_drop"), ("spec", "budget.max_accuracy_drop"),
        ("spec", "budget.min_memory_saving"), ("versions", "primesvt"), ("rates", report.groups[0].name),
    }  # fmt: skip
    assert rows["job", "tags"].values == (None, "x, y")
    assert rows["spec", "rates"].values == ("0.1, 0.5",) * 2
    drop = rows["spec", "budget.max_accuracy_drop"]
    assert (drop.unit, drop.values) == ("points", (0.03, 0.02))
    assert rows["inputs", "checkpoint_sha256"].values == (report.checkpoint_sha256,) * 2


def test_a_job_without_a_report_has_nothing_where_others_have_figures_and_no_curve() -> None:
    report = sample_report()
    waiting = compared("b", None, state=JobState.QUEUED, verdict=None, plan={"block.*": 0.5})
    found = compare([compared("a", report), waiting])
    [curve] = found.curves
    assert (curve.job_id, len(curve.points)) == ("job_a", len(report.curve))
    savings = [point.memory_saving for point in curve.points]
    assert savings == sorted(savings)
    rows = {(row.section, row.name): row for row in found.rows}
    assert rows["result", "verdict"].values == ("met", None)
    assert rows["rates", "block.*"].values == (None, 0.5)


def test_long_texts_are_shortened_and_differ_by_their_ends() -> None:
    rows = rows_of(compared("a", None, note="x" * 1000 + "1"), compared("b", None, note="x" * 1000 + "2"))
    row = rows["job", "note"]
    assert row.differs
    assert [len(str(value)) for value in row.values] == [LONGEST, LONGEST]


def test_a_table_of_a_comparison_has_no_formula_in_either_direction() -> None:
    found = compare([compared("=1+1", None), compared("-a", None)])
    for transposed in (False, True):
        text = "".join(as_csv(found, all_rows=True, transposed=transposed))
        assert '"\'=1+1"' in text
        assert '"\'-a"' in text
        lines = text.splitlines()
        assert len(lines) == (3 if transposed else len(found.rows) + 1)
    assert len("".join(as_csv(found, all_rows=False, transposed=False)).splitlines()) == 2
