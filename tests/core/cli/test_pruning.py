"""The command ``prune``: what it takes, prints and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from primesvt_core.cli.commands import resumable
from tests.support import tiny
from tests.support.commands import primesvt
from tests.support.embedded import EXAMPLES

DATA = EXAMPLES / "digits.npz"


@pytest.fixture
def words(tmp_path: Path) -> list[str | Path]:
    """A command that slices a tiny model to ``out``."""
    torch.save({"model": tiny.model().state_dict(), "args": {"T": 2, "num_heads": 2}}, tmp_path / "tiny.pth")
    (tmp_path / "rates.yaml").write_text("block.*.mlp.*: 0.5\n")
    return ["prune", tmp_path / "tiny.pth", "--plan", tmp_path / "rates.yaml", "--out", tmp_path / "out"]


def test_a_plan_is_carried_out_without_data_for_people_and_machines(words: list[str | Path], tmp_path: Path) -> None:
    done = primesvt(*words)
    assert done.returncode == 0
    for told in ("verdict: not_measured", "is not known", "parameter memory", str(tmp_path / "out" / "report.json")):
        assert told in done.stdout
    again = primesvt(*words[:-1], tmp_path / "json", "--json", "--criterion", "random", "--seed", "7")
    document = json.loads(again.stdout)
    assert (document["verdict"], document["spec"]["criterion"], document["spec"]["seed"]) == (
        "not_measured",
        "random",
        7,
    )
    written = [load_file(tmp_path / out / "model.safetensors") for out in ("out", "json")]
    assert written[0].keys() == written[1].keys()
    name = "block.0.mlp.fc1_linear.weight"
    assert [one[name].shape[0] for one in written] == [16, 16]
    assert not torch.equal(written[0][name], written[1][name])


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--max-accuracy-drop", "0.03"), "give data"),
        (("--repair", "sequential"), "give data"),
        (("--preset", "deep"), "give data"),
        (("--resume",), "leave out --resume"),
        (("--max-accuracy-drop", "3"), "max_accuracy_drop"),
        (("--criterion", "best"), "no criteria called 'best'"),
        (("--data", "nowhere"), "nowhere"),
        (("--policy", "uniform"), "--policy"),
        (("--reuse", "."), "has no cells.jsonl.gz"),
        (("--plan", "gone.yaml"), "cannot read the plan gone.yaml"),
        (("--plan", DATA), "cannot read the plan"),
    ],
)
def test_wrong_input_is_status_2_says_what_and_leaves_nothing(
    more: tuple[str | Path, ...],
    told: str,
    words: list[str | Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = primesvt(*words, *more)
    assert done.returncode == 2
    assert told in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_plan_of_another_model_is_refused_before_any_work(words: list[str | Path], tmp_path: Path) -> None:
    assert primesvt(*words).returncode == 0
    report = tmp_path / "out" / "report.json"
    other = primesvt(
        "prune", EXAMPLES / "spikformer-digits.pth.tar", "--plan", report, "--out", tmp_path / "x", "--data", DATA,
        "--max-accuracy-drop", "0.03",
    )  # fmt: skip
    assert (other.returncode, "error [plan_mismatch]" in other.stderr) == (2, True)
    assert "channels in the plan and" in other.stderr
    assert "measuring the original" not in other.stderr
    assert not (tmp_path / "x").exists()


def test_with_data_and_without_a_limit_what_is_lost_is_measured(tmp_path: Path) -> None:
    (tmp_path / "rates.json").write_text('{"block.*.mlp.*": 0.5}')
    done = primesvt(
        "prune", EXAMPLES / "spikformer-digits.pth.tar", "--plan", tmp_path / "rates.json", "--out", tmp_path / "out",
        "--data", DATA, "--repair", "closed_form", "--criterion", "l2", "--search-images", "50",
        "--confirmation-images", "100",
    )  # fmt: skip
    assert done.returncode == 0
    for told in ("verdict: met", "sets none for the accuracy", "on 100 images", "report.html"):
        assert told in done.stdout
    assert "profiling" not in done.stderr
    document = json.loads((tmp_path / "out" / "report.json").read_text())
    assert document["confirmation"]["allowed_drop"] is None
    assert document["confirmation"]["drop_upper_bound"] >= document["accuracy_drop"]


def test_who_stops_it_is_told_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), resumable():
        raise KeyboardInterrupt
    assert "--resume" in capsys.readouterr().err
