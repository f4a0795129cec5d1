"""Every example of docs/data.md gives the accuracy that the same images have as they come."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.support.commands import primesvt
from tests.support.pages import shown

ROOT = Path(__file__).resolve().parents[2]
SHOWN = shown("data.md")
COMMANDS = sorted(name.removesuffix(".sh") for name in SHOWN if name.endswith(".sh"))
IMAGES = 90


@pytest.fixture
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> float:
    """A folder with the first of the example's images; returns the accuracy on them."""
    (tmp_path / "examples").mkdir()
    shutil.copy(ROOT / "examples" / "spikformer-digits.pth.tar", tmp_path / "examples")
    digits = np.load(ROOT / "examples" / "digits.npz")
    np.savez(tmp_path / "examples" / "digits.npz", images=digits["images"][:IMAGES], labels=digits["labels"][:IMAGES])
    monkeypatch.chdir(tmp_path)
    command = "primesvt evaluate examples/spikformer-digits.pth.tar --data examples/digits.npz"
    [accuracy] = evaluated(command)
    return accuracy


def evaluated(commands: str) -> list[float]:
    """The accuracies that commands print."""
    found = []
    for line in commands.splitlines():
        name, *words = shlex.split(line)
        assert name == "primesvt"
        done = primesvt(*words, "--json")
        assert done.returncode == 0, done.stderr
        document = json.loads(done.stdout)
        assert document["samples"] == IMAGES
        found.append(document["accuracy"])
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_an_example_reads_the_same_images(name: str, examples: float) -> None:
    exec(compile(SHOWN[f"{name}.py"], f"{name}.py", "exec"), {})
    assert evaluated(SHOWN[f"{name}.sh"]) == [examples]


def test_the_example_in_python_reads_the_same_images(examples: float, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(SHOWN["python.py"], "python.py", "exec"), {})
    assert float(capsys.readouterr().out) == examples


def test_every_example_is_tried() -> None:
    assert COMMANDS == ["arrays", "frames", "parquet", "values"]
    assert SHOWN.keys() == {f"{name}.{kind}" for name in COMMANDS for kind in ("py", "sh")} | {"python.py"}
