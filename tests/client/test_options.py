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
from primesvt_client.options import pixel_reading, spec_document, takes_spec
from primesvt_client.spec import PixelReading

FLOOR = ("--max-accuracy-drop", "0.03")
NAMES = {
    "--max-accuracy-drop", "--min-accuracy", "--min-memory-saving", "--max-parameter-bytes", "--policy", "--criterion",
    "--rates", "--exclude", "--fine-tune-epochs", "--time-steps", "--heads", "--assume", "--container",
    "--search-images", "--confirmation-images", "--batch-size", "--device", "--seed", "--spec",
    "--value-range", "--mean", "--std", "--resize", "--crop",
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
        (("--value-range", "-1:1"), {"value_range": "-1:1"}),
        (
            ("--mean", "-0.5,0,0.5", "--std", "0.5", "--resize", "36", "--crop", "32"),
            {"preprocessing": {"mean": [-0.5, 0.0, 0.5], "std": [0.5], "resize": 36, "crop": 32}},
        ),
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
        (("--value-range", "1:0"), "value_range: .*LOW must be below"), (("--value-range", "0-255"), "value_range"),
        (("--std", "0"), "preprocessing.std"), (("--resize", "0"), "preprocessing.resize"),
        (("--mean", "x"), "--mean x"),
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


def test_options_that_say_how_pixels_are_read_stand_without_a_budget() -> None:
    found = pixel_reading(value_range="0:255", mean="0.5", std=None, resize=None, crop=24)
    assert found == PixelReading.model_validate({"value_range": [0, 255], "preprocessing": {"mean": [0.5], "crop": 24}})
    assert pixel_reading() == PixelReading()
    with pytest.raises(SpecError, match="value_range"):
        pixel_reading(value_range="0:x")
