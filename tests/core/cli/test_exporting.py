"""``primesvt export``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.commands import primesvt
from tests.support.embedded import EXAMPLES
from tests.support.plugins import documented

CHECKPOINT, DATA = EXAMPLES / "spikformer-digits.pth.tar", EXAMPLES / "digits.npz"


def test_it_tells_what_was_checked(tmp_path: Path) -> None:
    words = ("export", CHECKPOINT, "--to", "official", "--data", DATA, "--split", "search", "--images", "40")
    done = primesvt(*words, "--out", tmp_path / "out.pth")
    assert done.returncode == 0, done.stderr
    for told in ("written:", "out.pth", "images: 40", "max difference: 0", "accuracy: "):
        assert told in done.stdout
    found = json.loads(primesvt(*words, "--out", tmp_path / "again.pth", "--json").stdout)
    assert found["check"]["images"] == 40
    assert found["files"][0]["name"] == "again.pth"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--to", "official", "--split", "half", "--out", "a.pth"), "use auto, all"),
        (("--to", "official", "--option", "depth", "--out", "a.pth"), "write NAME=VALUE"),
        (("--to", "official", "--value-range", "0:16", "--out", "a.pth"), "give --data"),
        (("--to", "official", "--assume", "depth=3", "--out", "a.pth"), "no depth to assume"),
        (("--to", "official", "--container", "ema", "--out", "a.pth"), "no weights under 'ema'"),
        (("--to", "masked", "--out", "a.pth"), "give --original"),
        (("--out", "a.pth"), "such a file is written by"),  # onnx, as of `primesvt.export`
    ],
)
def test_wrong_input_is_status_2_and_leaves_nothing(
    words: tuple[str, ...], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = primesvt("export", CHECKPOINT, *words)
    assert done.returncode == 2
    assert expected.replace("'", "") in done.stderr.replace("'", "").replace("\n", " ")
    assert [*tmp_path.iterdir()] == []


def test_an_exporter_of_ones_own_is_offered(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    words = ("export", CHECKPOINT, "--to", "listing", "--out")
    with documented("exporters", "listing", tmp_path):
        refused = primesvt(*words, out / "model.pth")
        done = primesvt(*words, out / "model.json")
    assert (refused.returncode, done.returncode) == (2, 0)
    assert "--to listing writes .json files" in refused.stderr
    assert "layers: " in done.stdout
    assert json.loads((out / "model.json").read_text())["family"] == "spikformer"
    assert sorted(path.name for path in out.iterdir()) == ["model.json", "model.json.export.json"]
