"""The report as a document: the published schema describes it, and nothing is lost by writing it."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from primesvt_client.spec_types import LARGEST
from primesvt_core import spec
from primesvt_core.errors import SpecError
from primesvt_core.report import schema as reports
from primesvt_core.report.publishing import html
from primesvt_core.report.schema import Report
from primesvt_core.types import Verdict
from tests.support.dashboard import sample_report
from tests.support.schemas import problems

DOCS = Path(__file__).resolve().parents[3] / "docs"
SCHEMA: dict[str, Any] = json.loads(reports.json_schema())


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(sample_report().model_dump_json())
    return found


def test_what_is_published_is_what_the_code_writes() -> None:
    assert (DOCS / "report.schema.json").read_text() == reports.json_schema()
    assert (DOCS / "spec.schema.json").read_text() == spec.json_schema()


def test_a_report_is_read_where_its_plug_ins_are_gone(document: dict[str, Any]) -> None:
    document = copy.deepcopy(document)
    document["spec"] |= {"policy": "gone", "policy_params": {"rounds": 3}, "criterion": "gone"}
    assert Report.model_validate(document).spec.policy_params == {"rounds": 3}


def test_a_shell_shows_of_a_report_what_decides() -> None:
    report = sample_report()
    shown = repr(report)
    assert f"memory_saving={report.memory_saving!r}" in shown
    assert "verdict=" in shown
    assert "plan=" not in shown
    assert Report(**report.model_dump()) == report  # nothing is lost


@pytest.mark.parametrize("verdict", Verdict)
def test_a_report_keeps_to_the_schema_and_reads_back(verdict: Verdict) -> None:
    report = sample_report().model_copy(update={"verdict": verdict})
    text = report.model_dump_json()
    assert problems(json.loads(text), SCHEMA) == []
    assert Report.model_validate_json(text) == report


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (("verdict",), "perhaps", "$.verdict breaks enum"),
        (("schema_version",), 3, "$.schema_version breaks enum"),
        (("baseline", "accuracy"), "high", "$.baseline.accuracy is no number"),
        (("layers", 0, "shape_after"), [1.5], "$.layers[0].shape_after[0] is no integer"),
        (("surprise",), 1, "$.surprise is unknown"),
    ],
)
def test_the_schema_and_the_code_refuse_the_same(
    path: tuple[str | int, ...], value: object, expected: str, document: dict[str, Any]
) -> None:
    changed = node = copy.deepcopy(document)
    for key in path[:-1]:
        node = node[key]  # type: ignore[index]
    node[path[-1]] = value  # type: ignore[index]
    assert any(problem.startswith(expected) for problem in problems(changed, SCHEMA))
    with pytest.raises(ValidationError):
        Report.model_validate(changed)


@pytest.mark.parametrize("name", ["verdict", "layers", "confirmation", "model_sha256"])
def test_nothing_may_be_missing(name: str, document: dict[str, Any]) -> None:
    changed = {key: value for key, value in document.items() if key != name}
    assert problems(changed, SCHEMA) == [f"$.{name} is missing"]
    with pytest.raises(ValidationError):
        Report.model_validate(changed)


def test_the_summary_is_of_the_reports_own_figures() -> None:
    report = sample_report()
    found = report.summary()
    assert found.memory_saving == report.memory_saving
    assert found.accuracy_drop == report.accuracy_drop
    assert (found.baseline_accuracy, found.pruned_accuracy) == (report.baseline.accuracy, report.pruned.accuracy)
    assert [name for name, value in dict(found).items() if value is None] == ["disagreement"]


SPECS: list[tuple[dict[str, Any], bool]] = [
    ({"budget": {"max_accuracy_drop": 0.03}}, True),
    ({"budget": {"max_accuracy_drop": 0.03}, "rates": [0.5], "preprocessing": {"std": [0.5]}}, True),
    ({"budget": {"max_accuracy_drop": 1.0}}, False),
    ({"budget": {"max_accuracy_drop": 0.03}, "preprocessing": {"std": [0.0]}}, False),
    ({"budget": {"max_accuracy_drop": 0.03}, "preprocessing": {"resize": 100_000}}, False),
    ({"budget": {"max_accuracy_drop": 0.03}, "device": "tpu"}, False),
    ({"budget": {"max_accuracy_drop": 0.03}, "splits": {"search": 3}}, False),
    ({"polcy": "x"}, False),
    ({"budget": {"max_parameter_bytes": LARGEST}, "assumptions": {"T": -LARGEST, "\u00e4": "\u00f6"}}, True),
    ({"budget": {"max_parameter_bytes": LARGEST + 1}}, False),
    ({"budget": {"max_accuracy_drop": 0.03}, "groups": ["\x00"]}, False),
    ({"budget": {"max_accuracy_drop": 0.03}, "assumptions": {"T": LARGEST + 1}}, False),
    ({"budget": {"max_accuracy_drop": 0.03}, "assumptions": {"T": [1]}}, False),
]


@pytest.mark.parametrize(("document", "is_right"), SPECS)
def test_the_published_schema_of_a_spec_judges_as_the_code_does(document: dict[str, Any], is_right: bool) -> None:
    assert (problems(document, json.loads(spec.json_schema())) == []) is is_right
    if is_right:
        spec.parse(document)
    else:
        with pytest.raises(SpecError):
            spec.parse(document)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ((9.2, 9.4), (8.4, 8.6), "shorter by more than the spread of the runs"),
        ((9.2, 9.4), (9.5, 9.9), "longer by more than the spread of the runs"),
        ((9.2, 9.4), (8.0, 9.3), "the difference is within the spread of the runs"),
        ((9.2, 9.4), (9.4, 20.0), "the difference is within the spread of the runs"),
    ],
)
def test_latencies_are_told_with_their_spread(
    before: tuple[float, float], after: tuple[float, float], words: str
) -> None:
    report = sample_report()
    assert report.latency_words is None  # of before quartiles were measured
    assert "20.0 ms" in html(report, {})
    times = {"latency_before": before, "latency_after": after}
    ends = ("_low", "_high")
    quartiles = {
        f"{name}{end}": ms / 1000 for name, found in times.items() for end, ms in zip(ends, found, strict=True)
    }
    measured = report.model_copy(update={"timings": {**report.timings, **quartiles}})
    assert measured.latency_words == words
    page = html(measured, {})
    assert words in page
    assert f"20.0 ({before[0]} to {before[1]}) ms" in page
