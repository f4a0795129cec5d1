"""Every example of docs/data.md gives the accuracy that the same images have as they come."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from primesvt_core.data import ClassOrder, open_data
from primesvt_core.errors import DataError
from tests.support.commands import primesvt
from tests.support.image_trees import tree
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
    with np.load(ROOT / "examples" / "digits.npz") as digits:
        images, labels = digits["images"][:IMAGES], digits["labels"][:IMAGES]
    np.savez(tmp_path / "examples" / "digits.npz", images=images, labels=labels)
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


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "without"])
def test_an_example_reads_the_same_images(name: str, examples: float) -> None:
    exec(compile(SHOWN[f"{name}.py"], f"{name}.py", "exec"), {})
    assert evaluated(SHOWN[f"{name}.sh"]) == [examples]


def test_the_example_without_labels_lists_what_would_tell_the_drop(examples: float) -> None:
    exec(compile(SHOWN["without.py"], "without.py", "exec"), {})
    compress, label_list = (shlex.split(line)[1:] for line in SHOWN["without.sh"].splitlines())
    # A budget that so few images can prove.
    done = primesvt(*[{"0.05": "0.5"}.get(word, word) for word in compress], "--preset", "paper", "--rates", "0.1")
    assert done.returncode == 0, done.stderr
    assert primesvt(*label_list).returncode == 0
    report = json.loads(Path("runs/without/report.json").read_text())
    listed = Path("to-label.txt").read_text().split()
    assert [*map(int, listed)] == [image["index"] for image in report["differing_images"]]
    assert report["pruned"]["accuracy"] is None


def test_the_example_in_python_reads_the_same_images(examples: float, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(SHOWN["python.py"], "python.py", "exec"), {})
    assert float(capsys.readouterr().out) == examples


TREES = sorted(name for name in SHOWN if name.endswith(".tree"))
FACTS = ("classes", "pictures", "note", "order", "refused")
WITHOUT_LABELS = "without labels"
"""Says that labels may be missing."""


def read(block: str) -> tuple[list[str], dict[str, list[str]]]:
    """The files of an example, and what is said of them."""
    told: dict[str, list[str]] = {fact: [] for fact in FACTS}
    files = []
    for line in block.splitlines():
        fact, colon, rest = line.partition(": ")
        if colon and fact in told:
            told[fact].append(rest)
        else:
            files.append(line)
    return files, told


def made(root: Path, files: list[str]) -> Path:
    """The folder of an example."""
    pictures = [name for name in files if "|" not in name and not name.endswith("/")]
    texts = {
        name.strip(): text.strip().replace(" / ", "\n") for name, _, text in (f.partition("|") for f in files) if text
    }
    empty = [name for name in files if name.endswith("/")]
    tree(root, pictures, texts, empty)
    return root / files[0].split("/")[0]


@pytest.mark.parametrize("name", TREES)
def test_a_tree_is_read_as_the_page_says(name: str, tmp_path: Path) -> None:
    files, told = read(SHOWN[name])
    may_lack_labels = WITHOUT_LABELS in files
    files = [file for file in files if file != WITHOUT_LABELS]
    listed = tuple(told["order"][0].split(", ")) if told["order"] else ()
    order = ClassOrder(names=listed, source="caller" if listed else "family")
    path = made(tmp_path, files)
    if told["refused"]:
        with pytest.raises(DataError) as refusal:
            open_data(path, None, order)
        assert told["refused"][0] in refusal.value.message
        return
    data = open_data(path, None, order, may_lack_labels=may_lack_labels)
    assert (", ".join(data.classes), str(len(data))) == ("".join(told["classes"]), told["pictures"][0])
    assert len(data.notes) == len(told["note"])
    for note, said in zip(data.notes, told["note"], strict=True):
        assert said in note


def test_every_example_is_tried() -> None:
    assert COMMANDS == ["arrays", "frames", "parquet", "values", "without"]
    commands = {f"{name}.{kind}" for name in COMMANDS for kind in ("py", "sh")} | {"python.py"}
    assert SHOWN.keys() == commands | {*TREES}
    assert len(TREES) >= 12
