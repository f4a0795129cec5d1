"""The library's commands: what they print, and how they end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import redirect_stdout
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import primesvt_core
from primesvt_client import console
from primesvt_client.commands.command_line import command_line
from primesvt_client.options import reading
from primesvt_core import spec as specs
from primesvt_core.cli.commands import change
from primesvt_core.errors import SpecError
from primesvt_core.intake.inspect import inspect
from tests.support import tiny
from tests.support.commands import primesvt
from tests.support.embedded import QUICK

START = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    " from primesvt_client.commands.main import main; main()"
)
"""Tests may have been started in the background, where Ctrl-C is ignored."""

ROOT = Path(__file__).resolve().parents[3]
CHECKPOINT, DATA = ROOT / "examples" / "spikformer-digits.pth.tar", ROOT / "examples" / "digits.npz"
COMMAND = [sys.executable, "-c", START]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.pth"
    torch.save({"model": tiny.model().state_dict(), "args": {"T": 2, "num_heads": 2}}, path)
    return path


def test_inspect_tells_machines_and_people(checkpoint: Path) -> None:
    found: dict[str, Any] = json.loads(primesvt("inspect", CHECKPOINT, "--json").stdout)
    assert (found["family"], found["variant"], found["num_classes"]) == ("spikformer", "cifar", 10)
    assert found["layers"][0]["parameters"] == max(layer["parameters"] for layer in found["layers"])
    assert "TensorSpec" not in repr(inspect(CHECKPOINT))  # of every tensor, in a shell
    expected = primesvt("inspect", CHECKPOINT).stdout
    assert "Spikformer" in expected
    assert "stem.rpe" in expected


def test_a_path_is_printed_as_the_bytes_that_it_has() -> None:
    printed = BytesIO()
    with TextIOWrapper(printed, encoding="utf-8") as stdout, redirect_stdout(stdout):
        console.run(lambda: console.out.print(str(Path("\udcff")), markup=False))
        stdout.flush()
        assert printed.getvalue() == b"\xff\n"


def test_inspect_refuses_with_a_code(tmp_path: Path) -> None:
    torch.save({"encoder.weight": torch.zeros(3, 3)}, tmp_path / "other.pth")
    (tmp_path / "no.pth").write_bytes(b"PK\x03\x04nothing")
    for path, code in ((tmp_path / "other.pth", "unknown_family"), (tmp_path / "no.pth", ""), (tmp_path / "gone", "")):
        done = primesvt("inspect", path)
        assert done.returncode == 2
        assert f"error [{code}" in done.stderr
        assert path.name in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("compress", CHECKPOINT, "--data", DATA, "--out", "x"), "at least one of"),
        (("compress", CHECKPOINT, "--data", DATA, "--out", "x", "--max-accuracy-drop", "3"), "max_accuracy_drop"),
        (("compress", CHECKPOINT, "--out", "x"), "--data"),
        (("evaluate", CHECKPOINT, "--data", "nowhere"), "nowhere"),
        (("evaluate", CHECKPOINT, "--data", DATA, "--split", "half"), "--split half"),
        (("evaluate", CHECKPOINT, "--data", DATA, "--heads", "7"), "num_heads"),
        (("evaluate", CHECKPOINT, "--data", DATA, "--class-order", "up"), "neither natural, plain nor a text file"),
        (("inspect", CHECKPOINT, "--class-order", "plain"), "give --data"),
        (("frobnicate",), "frobnicate"),
        (
            ("compress", CHECKPOINT, "--data", DATA, "--out", "x", "--min-accuracy", "0.9", "--train-data", DATA),
            "nothing may learn from",
        ),
        (("compress", CHECKPOINT, "--data", DATA, "--out", "x", "--min-accuracy", "0.9", "--exclude", "no*"), "'no*'"),
        (("compress", CHECKPOINT, "--data", DATA, "--out", "x", "--min-accuracy", "0.9999"), "impossible_budget"),
        (("compress", CHECKPOINT, "--data", "nowhere", "--out", "x", "--min-accuracy", "0.9"), "nowhere"),
        (("export", CHECKPOINT, "--to", "masked", "--original", CHECKPOINT, "--out", "no/folder.pth"), "no folder"),
        (("export", CHECKPOINT, "--original", CHECKPOINT, "--out", "a.pth", "--to", "paper"), "masked"),
        (
            (
                "compress",
                CHECKPOINT,
                "--data",
                DATA,
                "--out",
                "x",
                "--min-accuracy",
                "0.9",
                "--policy-param",
                "rounds=3",
            ),
            "policy_params.rounds",
        ),
    ],
)
def test_wrong_input_is_status_2_says_what_and_leaves_nothing(
    words: tuple[str | Path, ...], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = primesvt(*words)
    assert done.returncode == 2
    assert expected in done.stderr
    assert [*tmp_path.iterdir()] == []


def test_an_impossible_budget_is_refused_before_any_work(tmp_path: Path) -> None:
    done = primesvt("compress", CHECKPOINT, "--data", DATA, "--out", tmp_path / "x", "--min-memory-saving", "0.999")
    assert done.returncode == 2
    assert "impossible_budget" in done.stderr
    assert "profiling" not in done.stderr


def test_a_drop_that_cannot_be_proven_is_refused_before_any_evaluation(tmp_path: Path) -> None:
    """494 of the digits confirm: nothing below 0.6046 points can be proven of them, and 0.1 points need 2,703."""
    done = primesvt("compress", CHECKPOINT, "--data", DATA, "--out", tmp_path / "x", "--max-accuracy-drop", "0.001")
    assert done.returncode == 2
    for told in (
        "budget_unprovable",
        "494 confirmation images",
        "0.6046 points",
        "2,703 are needed",
        "drop of 0.0061,",
    ):
        assert told in done.stderr
    assert "measuring the original" not in done.stderr
    assert [*tmp_path.iterdir()] == []


def test_results_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    done = primesvt("compress", CHECKPOINT, "--data", DATA, "--out", tmp_path, "--max-accuracy-drop", "0.03")
    assert (done.returncode, "--resume" in done.stderr) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


@pytest.mark.parametrize("preset", ["paper", "deep"])
def test_a_run_is_resumed_with_its_preset_whatever_the_default_is(
    preset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one may be given; the workspace then belongs to another run."""
    asked: list[str] = []

    def parse(document: dict[str, Any]) -> object:
        asked.append(document.get("preset", "none given"))
        raise SpecError("enough")

    monkeypatch.setattr(specs, "parse", parse)
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / "inputs.json").write_text(json.dumps({"spec": {"preset": preset}}))
    words = ["compress", str(CHECKPOINT), "--data", str(DATA), "--out", str(tmp_path), "--max-accuracy-drop", "0.03"]
    for more in ([], ["--preset", "paper"]):
        CliRunner().invoke(command_line(), [*words, "--resume", *more])
    CliRunner().invoke(command_line(), [*words[:-3], str(tmp_path / "new"), *words[-2:]])
    assert asked == [preset, "paper", "none given"]


def test_a_refused_run_leaves_the_folder_that_was_there(tmp_path: Path, checkpoint: Path) -> None:
    asked = ("compress", checkpoint, "--data", DATA, "--max-accuracy-drop", "0.03", "--out")
    for out, is_left in ((tmp_path / "mine", True), (tmp_path / "new", False)):
        if is_left:
            out.mkdir()
        assert primesvt(*asked, out).returncode == 2
        assert out.exists() is is_left
        assert not out.exists() or not [*out.iterdir()]


def test_a_result_folder_whose_name_is_no_utf_8_is_refused(tmp_path: Path, checkpoint: Path) -> None:
    out = tmp_path / os.fsdecode(b"\xff")
    done = primesvt("compress", checkpoint, "--data", DATA, "--max-accuracy-drop", "0.03", "--out", out)
    assert (done.returncode, "is no UTF-8" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("share", "expected"), [(-0.0, "+0.00"), (-0.00001, "+0.00"), (-0.2658, "-26.58"), (0.01, "+1.00")]
)
def test_no_change_is_no_loss(share: float, expected: str) -> None:
    assert change(share) == expected


def test_results_need_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        done = primesvt("compress", CHECKPOINT, "--data", DATA, "--out", out, "--max-accuracy-drop", "0.03")
        assert done.returncode in (1, 2)
        assert "error [" in done.stderr
        assert "Traceback" not in done.stderr
        assert str(tmp_path / "file") in done.stderr


def test_ctrl_c_stops_with_130_and_says_how_to_go_on(tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_text(json.dumps(QUICK))
    words = ["compress", CHECKPOINT, "--data", DATA, "--out", tmp_path / "x", "--spec", tmp_path / "spec.json"]
    running = subprocess.Popen([*COMMAND, *map(str, words)], stderr=subprocess.PIPE, text=True, start_new_session=True)
    with running:
        assert running.stderr is not None
        expected = [next(running.stderr) for _ in range(4)]
        running.send_signal(signal.SIGINT)
        rest = running.stderr.read()
        assert running.wait(60) == 130
    assert "profiling" in expected[-1]
    assert "--resume" in rest
    assert "Traceback" not in rest


def test_who_reads_only_the_beginning_gets_no_traceback() -> None:
    running = subprocess.Popen(
        [*COMMAND, "inspect", str(CHECKPOINT), "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        assert "Traceback" not in running.stderr.read()


def test_one_class_too_many_is_named(tmp_path: Path, checkpoint: Path) -> None:
    np.savez(tmp_path / "ten.npz", images=np.zeros((40, 16, 16), np.uint8), labels=np.arange(40) % 10)
    done = primesvt("evaluate", checkpoint, "--data", tmp_path / "ten.npz")
    assert (done.returncode, "error [data_classes]" in done.stderr, "ten.npz" in done.stderr) == (2, True, True)


def test_evaluate_asks_what_values_mean_and_is_told(tmp_path: Path, checkpoint: Path) -> None:
    pictures, labels = tiny.images(30)
    np.savez(tmp_path / "floats.npz", images=pictures.astype(np.float32), labels=labels)
    done = primesvt("evaluate", checkpoint, "--data", tmp_path / "floats.npz")
    assert (done.returncode, "error [data_format]" in done.stderr, "0 to 239" in done.stderr) == (2, True, True)
    for options in (("--value-range", "0:255"), ("--mean", "0", "--std", "255", "--resize", "32", "--crop", "32")):
        done = primesvt("evaluate", checkpoint, "--data", tmp_path / "floats.npz", *options, "--json")
        assert json.loads(done.stdout)["samples"] == 30
    done = primesvt("inspect", checkpoint, "--value-range", "0:255")
    assert (done.returncode, "give --data" in done.stderr) == (2, True)


def test_classes_are_numbered_as_asked_and_the_numbers_are_printed(tmp_path: Path, checkpoint: Path) -> None:
    pictures, labels = tiny.images(6)
    for number, (pixels, label) in enumerate(zip(pictures, labels, strict=True)):
        (tmp_path / "set" / ("2", "10", "x")[label]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "set" / ("2", "10", "x")[label] / f"{number}.png")
    (tmp_path / "order.txt").write_text("x\n10\n2\n")
    shown = primesvt("evaluate", checkpoint, "--data", tmp_path / "set").stdout
    assert "3 classes: 0 2, 1 10, 2 x" in shown
    assert "In plain order, that of torchvision's ImageFolder, it would be class 1" in shown
    for order, classes in (("plain", ["10", "2", "x"]), (tmp_path / "order.txt", ["x", "10", "2"])):
        found = primesvt("evaluate", checkpoint, "--data", tmp_path / "set", "--class-order", order, "--json").stdout
        assert json.loads(found)["classes"] == classes
        assert not any("order, it would" in note for note in json.loads(found)["notes"])
    shutil.rmtree(tmp_path / "set" / "x")
    refused = primesvt("evaluate", checkpoint, "--data", tmp_path / "set")
    assert (refused.returncode, "error [data_classes]" in refused.stderr) == (2, True)
    done = primesvt("evaluate", checkpoint, "--data", tmp_path / "set", "--allow-fewer-classes", "--json")
    assert json.loads(done.stdout)["classes"] == ["2", "10"]


def test_evaluate_tells_how_many_of_how_many() -> None:
    found = json.loads(primesvt("evaluate", CHECKPOINT, "--data", DATA, "--json").stdout)
    assert found["accuracy"] == found["correct"] / found["samples"]
    assert (found["split"], found["samples"]) == ("all", 899)


def test_every_command_explains_itself() -> None:
    names = [
        command.name or command.callback.__name__ for command in command_line().registered_commands if command.callback
    ]
    assert {
        "inspect",
        "evaluate",
        "compress",
        "serve",
        "demo",
        "submit",
        "status",
        "list",
        "cancel",
        "download",
    } <= set(names)
    for name in names:
        done = CliRunner().invoke(command_line(), [name, "--help"])
        assert done.exit_code == 0
        assert len(done.stdout.split()) > 20


def test_load_gives_a_model_that_starts_anew_at_every_call(checkpoint: Path) -> None:
    model = primesvt_core.load(checkpoint, image_size=tiny.SIDE)
    images = torch.rand(2, 1, tiny.SIDE, tiny.SIDE)
    with torch.no_grad():
        logits = model(images)
        assert not model.training
        assert logits.shape == (2, tiny.CLASSES)
        assert torch.equal(model(images), logits)
        assert torch.equal(model(images.unsqueeze(1).repeat(1, 2, 1, 1, 1)), logits)
        assert torch.equal(model(images[1:]), logits[1:])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0011", "0011"), ("1111", 1111), ("4", 4), ("-0.1", -0.1), ("2.0", 2.0), ("2.50", "2.50"), ("+4", "+4"),
        ("true", True), ("3,6,6", "3,6,6"),
    ],
)  # fmt: skip
def test_what_is_assumed_on_the_command_line_loses_nothing(text: str, value: object) -> None:
    [found] = reading(assume=[f"field={text}"]).assumptions.values()
    assert (found, type(found)) == (value, type(value))


def test_load_refuses_assumptions_that_do_not_fit(checkpoint: Path) -> None:
    with pytest.raises(SpecError, match="widths"):
        primesvt_core.load(checkpoint, widths=3)
    wrong: list[dict[str, Any]] = [
        {"num_heads": True},
        {"num_heads": 5},
        {"num_heads": 0},
        {"time_steps": 0},
        {"time_steps": 10**9},
    ]
    for assumed in (*wrong, {"image_size": -1}):
        with pytest.raises(SpecError, match=next(iter(assumed))):
            primesvt_core.load(checkpoint, **assumed)
