"""What `primesvt submit --dry-run` prints."""

from __future__ import annotations

from typing import Any

import pytest

from primesvt_client.commands.preflight import option_for, print_preflight
from primesvt_client.schemas.jobs import PreflightProblem, PreflightView

KNOWN: dict[str, Any] = {
    "family": "spikformer", "title": "Spikformer", "variant": "cifar", "parameters": 652_000,
    "parameter_bytes": 2_607_600, "model_classes": 10, "data_classes": 10, "classes_match": True, "samples": 797,
    "splits": [{"split": "confirmation", "images": 438, "asked": 4000}], "provable_drop": 0.006816,
    "max_memory_saving": 0.98675, "estimated_seconds": 95.0, "problems": [], "notes": [],
}  # fmt: skip


@pytest.mark.parametrize(
    ("field", "nearest", "option"),
    [
        ("budget.max_accuracy_drop", 0.0069, "--max-accuracy-drop 0.0069"),
        ("budget.max_parameter_bytes", 12_345_678, "--max-parameter-bytes 12345678"),
        ("allow_fewer_classes", True, "--allow-fewer-classes"),
        ("assumptions.levels", None, ""),
        ("of another version", 3, ""),
        (None, None, ""),
    ],
)
def test_the_nearest_possible_value_is_an_option(field: str | None, nearest: float | None, option: str) -> None:
    assert option_for(PreflightProblem(code="x", detail="y", field=field, nearest=nearest)) == option


def lines(capsys: pytest.CaptureFixture[str], **fields: Any) -> list[str]:
    print_preflight(PreflightView.model_validate({**KNOWN, **fields}))
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def test_numbers_are_shown_on_the_side_where_they_are_still_possible(capsys: pytest.CaptureFixture[str]) -> None:
    told = lines(capsys)
    for line in ("confirmation 438 (at most 4,000)", "Smallest provable drop 0.69 points",
                 "Largest memory saving 98.67 %, no forecast", "Estimated run time 1 min 35 s"):  # fmt: skip
        assert line in told
    assert "nothing was queued" in told[-1]


def test_problems_come_with_their_code_and_what_is_not_known_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    problem = {"code": "data_classes", "detail": "too few", "field": "allow_fewer_classes", "nearest": True}
    unknown = {name: None for name in KNOWN if name not in ("splits", "problems", "notes")}
    told = lines(capsys, **unknown, problems=[problem], notes=["d.zip is not validated yet."])
    assert "problem [data_classes] too few" in told
    assert "nearest possible: --allow-fewer-classes" in told
    assert "d.zip is not validated yet." in told
    assert sum(line.endswith("not known") for line in told) >= 5
