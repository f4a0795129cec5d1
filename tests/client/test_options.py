"""Options of the command line that make up a constraint spec."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import JsonValue
from typer.testing import CliRunner

from primesvt_client.errors import SpecError
from primesvt_client.options import spec_document, takes_spec

FLOOR = ("--max-accuracy-drop", "0.03")
NAMES = {
    "--max-accuracy-drop", "--min-accuracy", "--min-memory-saving", "--max-parameter-bytes", "--policy", "--criterion",
    "--rates", "--exclude", "--fine-tune-epochs", "--time-steps", "--heads", "--assume", "--container",
    "--search-images", "--confirmation-images", "--batch-size", "--device", "--seed", "--spec",
}  # fmt: skip
"""Options that scripts use: they never change."""

app = typer.Typer()


@app.command()
@takes_spec
def show(document: dict[str, JsonValue]) -> None:
    typer.echo(json.dumps(document))


def shown(*words: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, [*FLOOR, *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    document: dict[str, Any] = json.loads(done.stdout)
    assert document.pop("budget")["max_accuracy_drop"] == 0.03
    return document


def test_options_keep_their_names() -> None:
    told = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).stdout
    assert NAMES - set(told.replace("│", " ").split()) == set()


@pytest.mark.parametrize(
    ("words", "document"),
    [
        ((), {}),
        (("--rates", "0.5, 0.2"), {"rates": [0.5, 0.2]}),
        (("--exclude", "stem.*", "--exclude", "head"), {"excluded_groups": ["stem.*", "head"]}),
        (("--fine-tune-epochs", "2", "--learning-rate", "0.1"), {"fine_tuning": {"epochs": 2, "learning_rate": 0.1}}),
        (("--search-images", "7", "--seed", "0"), {"splits": {"search_images": 7}, "seed": 0}),
        (("--heads", "4", "--assume", "ratio=2.5"), {"assumptions": {"num_heads": 4, "ratio": 2.5}}),
        (("--heads", "4", "--assume", "num_heads=3,6"), {"assumptions": {"num_heads": 4}}),
        (("--device", "cpu", "--confidence", "0.9"), {"device": "cpu", "confidence": 0.9}),
    ],
)
def test_options_are_fields_of_a_spec(words: tuple[str, ...], document: dict[str, Any]) -> None:
    assert shown(*words) == document


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--rates", "x"), "--rates x"), (("--assume", "size"), "--assume size"), (("--seed", "-1"), "seed"),
        (("--search-images", "0"), "splits.search_images"), (("--device", "tpu"), "device"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_with_its_place(words: tuple[str, ...], told: str) -> None:
    with pytest.raises(SpecError, match=told) as refusal:
        shown(*words)
    assert refusal.value.error_code == "invalid_spec"


def test_options_override_the_file_entry_by_entry(tmp_path: Path) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text("assumptions: {num_heads: 2, ratio: 4}\nsplits: {search_images: 5, confirmation_images: 6}\n")
    found = shown("--spec", str(file), "--heads", "8", "--search-images", "9")
    assert found == {
        "assumptions": {"num_heads": 8, "ratio": 4}, "splits": {"search_images": 9, "confirmation_images": 6}
    }  # fmt: skip


def test_an_option_that_does_not_exist_is_not_left_out_silently() -> None:
    with pytest.raises(TypeError, match="max_drop"):
        spec_document(max_drop=0.1)
