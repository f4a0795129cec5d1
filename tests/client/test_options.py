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
from primesvt_client.options import (
    FIELDS,
    MAX_TEXT_BYTES,
    READING,
    Reading,
    reading,
    spec_document,
    takes_reading,
    takes_spec,
)
from primesvt_client.spec import ClassReading, CompressionSpec, PixelReading, parse_as

FLOOR = ("--max-accuracy-drop", "0.03")
NAMES = {
    "--max-accuracy-drop", "--min-accuracy", "--min-memory-saving", "--max-parameter-bytes", "--policy", "--criterion",
    "--rates", "--exclude", "--fine-tune-epochs", "--time-steps", "--heads", "--assume", "--container",
    "--search-images", "--confirmation-images", "--batch-size", "--device", "--seed", "--spec", "--class-order",
    "--fine-tune-seconds", "--recover-to", "--allow-fewer-classes", "--value-range", "--mean", "--std", "--resize",
    "--crop",
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
        (
            ("--fine-tune-seconds", "90", "--recover-to", "0.7"),
            {"fine_tuning": {"seconds": 90.0, "recover_to": 0.7}},
        ),
        (("--search-images", "7", "--seed", "0"), {"splits": {"search_images": 7}, "seed": 0}),
        (("--heads", "4", "--assume", "ratio=2.5"), {"assumptions": {"num_heads": 4, "ratio": 2.5}}),
        (("--heads", "4", "--assume", "num_heads=3,6"), {"assumptions": {"num_heads": 4}}),
        (("--value-range", "-1:1"), {"value_range": "-1:1"}),
        (
            ("--mean", "-0.5,0,0.5", "--std", "0.5", "--resize", "36", "--crop", "32"),
            {"preprocessing": {"mean": [-0.5, 0.0, 0.5], "std": [0.5], "resize": 36, "crop": 32}},
        ),
        (("--device", "cpu", "--confidence", "0.9"), {"device": "cpu", "confidence": 0.9}),
        (("--class-order", "plain", "--allow-fewer-classes"), {"class_order": "plain", "allow_fewer_classes": True}),
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


def test_an_order_of_classes_is_read_from_a_text_file(tmp_path: Path) -> None:
    file = tmp_path / "classes.txt"
    file.write_bytes("\ufeffzebra\r\n\r\n  hot dog \r\n\N{LATIN SMALL LETTER E WITH ACUTE}lan".encode())
    assert shown("--class-order", str(file)) == {
        "class_order": ["zebra", "hot dog", "\N{LATIN SMALL LETTER E WITH ACUTE}lan"]
    }
    names = ("zebra", "hot dog", "\N{LATIN SMALL LETTER E WITH ACUTE}lan")
    assert reading(class_order=str(file)).classes.class_order == names
    both = ClassReading(class_order="natural", allow_fewer_classes=True)
    assert reading(class_order="natural", allow_fewer_classes=True).classes == both
    assert reading().classes == ClassReading()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "neither natural, plain nor a text file"),
        (b"\xff\xfe", "neither natural, plain nor a text file"),
        (b"\n \n", "at least 1 item"),
        (b"cat\ndog\ncat\n", "cat is listed more than once"),
        ("\N{LATIN SMALL LETTER E WITH ACUTE}\ne\N{COMBINING ACUTE ACCENT}".encode(), "listed more than once"),
        (b"x" * (MAX_TEXT_BYTES + 1), "is longer than"),
    ],
)
def test_what_lists_no_classes_is_refused(content: bytes | None, told: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "classes.txt").write_bytes(content)
    for read in (lambda file: shown("--class-order", file), lambda file: reading(class_order=file)):
        with pytest.raises(SpecError, match=told) as refusal:
            read(str(tmp_path / "classes.txt"))
        assert refusal.value.error_code == "invalid_spec"


def test_an_order_of_classes_in_a_spec_is_a_rule_or_a_list() -> None:
    budget: dict[str, JsonValue] = {"budget": {"min_accuracy": 0.5}}
    for order in ("natural", ["dog", "cat"]):
        parsed = parse_as(CompressionSpec, {**budget, "class_order": order})  # type: ignore[dict-item]
        assert parsed.model_dump(mode="json")["class_order"] == order
        assert parsed.class_reading.class_order == parsed.class_order
    with pytest.raises(SpecError, match=r"'classes\.txt' is neither natural, plain nor a list of all classes"):
        parse_as(CompressionSpec, {**budget, "class_order": "classes.txt"})
    assert not {"class_order", "allow_fewer_classes"} & parse_as(CompressionSpec, budget).model_dump().keys()


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
    found = reading(value_range="0:255", mean="0.5", std=None, resize=None, crop=24)
    wanted = PixelReading.model_validate({"value_range": [0, 255], "preprocessing": {"mean": [0.5], "crop": 24}})
    assert found == Reading(assumptions={}, container=None, classes=ClassReading(), pixels=wanted)
    assert reading().pixels == PixelReading()
    with pytest.raises(SpecError, match="value_range"):
        reading(value_range="0:x")


def test_commands_that_only_read_have_every_option_that_says_how() -> None:
    seen: list[Reading] = []
    other = typer.Typer()

    @other.command()
    @takes_reading
    def look(reading: Reading) -> None:
        seen.append(reading)

    options = {field.option for field in FIELDS.values() if field.path[0] in READING}
    told = CliRunner().invoke(other, ["--help"], env={"COLUMNS": "200"}).stdout
    assert options - set(told.replace("│", " ").split()) == set()
    assert {"--assume", "--container", "--class-order", "--value-range", "--mean"} <= options
    assert "--seed" not in told
    words = ["--heads", "4", "--assume", "ratio=2.5", "--container", "model", "--crop", "24", "--class-order", "plain"]
    assert CliRunner().invoke(other, words, catch_exceptions=False).exit_code == 0
    [found] = seen
    assert (found.assumptions, found.container) == ({"num_heads": 4, "ratio": 2.5}, "model")
    assert (found.pixels.preprocessing.crop, found.classes.class_order) == (24, "plain")
