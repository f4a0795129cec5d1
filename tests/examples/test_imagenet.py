"""The command of examples/imagenet.md on a small synthetic set in ImageNet's layout, with a tiny random model."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from examples import imagenet
from primesvt_core.data import batches, open_data
from primesvt_core.families.spikformer import BlockConfig, Config
from primesvt_core.intake.inspect import inspect
from primesvt_core.intake.loading import load
from primesvt_core.report import publishing
from primesvt_core.report.schema import Report
from primesvt_core.testing.models import FamilyModel, random_model

ROOT = Path(__file__).resolve().parents[2]
SIDE, PICTURES, SEEDS = 32, 60, 40
SYNSETS = ("n01440764", "n01443537", "n01484850")
CONFIG = Config(
    variant="imagenet", num_classes=len(SYNSETS), in_channels=3, time_steps=2, image_size=SIDE, stem=(4, 8, 16),
    embed_dim=32, blocks=(BlockConfig(qk_dim=32, v_dim=32, mlp_dim=64),), num_heads=2, attention_scale=0.125,
)  # fmt: skip
SPEC = {
    "splits": {"calibration_images": 8, "search_images": 16, "confirmation_images": 24}, "rates": [0.5, 0.9],
    "groups": ["block.*.mlp.*", "embedding"], "accept_unproven": True, "repair": "none", "criterion": "l2",
}  # fmt: skip


def firing() -> FamilyModel:
    """A model of which every neuron layer fires: of four tokens attention seldom does."""
    for seed in range(SEEDS):
        with suppress(ValueError):
            return random_model("spikformer", CONFIG, seed)
    raise AssertionError("no seed makes every neuron layer fire")


def save_model(path: Path) -> None:
    """As the public training script saves one."""
    state = firing().state
    args = Namespace(model="spikformer", time_steps=2, num_heads=2, img_size=SIDE)
    torch.save({"state_dict": state, "args": args}, path)


def save_pictures(folder: Path, checkpoint: Path, seed: int) -> Path:
    """Pictures in the folders of the classes that the model takes them for, one more in each that has none."""
    chance = np.random.default_rng(seed)
    pictures = chance.integers(0, 255, (PICTURES, SIDE, SIDE, 3), np.uint8)
    np.savez(folder.parent / "all.npz", images=pictures, labels=np.arange(PICTURES) % len(SYNSETS))
    data, found = open_data(folder.parent / "all.npz"), inspect(checkpoint)
    model = load(checkpoint)
    with torch.inference_mode():
        taken = [
            int(label)
            for batch in batches(data, range(PICTURES), found.preprocessing, 20)
            for label in model(torch.from_numpy(batch.images)).argmax(1)
        ]
    for number, synset in enumerate(SYNSETS):
        (folder / synset).mkdir(parents=True)
        Image.fromarray(pictures[number]).save(folder / synset / "ILSVRC2012_val_extra.png")
    for place, label in enumerate(taken):
        Image.fromarray(pictures[place]).save(folder / SYNSETS[label] / f"ILSVRC2012_val_{place:08}.png")
    return folder


@pytest.mark.parametrize("epochs", [0, pytest.param(1, marks=pytest.mark.thorough)])
def test_the_table_has_ours_beside_the_papers(
    epochs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(publishing, "draw", lambda _report: {})
    save_model(tmp_path / "model.pth.tar")
    val = save_pictures(tmp_path / "val", tmp_path / "model.pth.tar", 0)
    train = ["--train-data", str(save_pictures(tmp_path / "train", tmp_path / "model.pth.tar", 1))] if epochs else []
    options = [
        str(tmp_path / "model.pth.tar"), "--data", str(val), *train, "--out", str(tmp_path / "out"), "--epochs",
        str(epochs), "--spec", json.dumps(SPEC),
    ]  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["imagenet", *options])
    imagenet.main()
    rows = capsys.readouterr().out.splitlines()
    shown = [row for row in rows if "preset" in row and "..." not in row]
    names = ["paper preset, single shot", *(["paper preset, fine-tuned"] if epochs else []), "default preset"]
    assert [next(name for name in names if row.startswith(name)) for row in shown] == names
    assert [text in shown[0] for text in ("26.68 %", "70.3 %")] == [True, True]
    for name, row in zip(names, shown, strict=True):
        folder = tmp_path / "out" / name.replace(", ", "-").replace(" ", "-")
        report = Report.model_validate_json((folder / "report.json").read_bytes())
        assert row.endswith(report.verdict)
        assert report.variant == "imagenet"
        assert report.spec.preset == ("deep" if name == "default preset" else "paper")
        assert report.spec.fine_tuning.epochs == (epochs if "fine-tuned" in name else 0)
    if epochs:
        assert "72.9 %" in shown[1]


def test_the_page_says_what_is_untried_and_what_is_run() -> None:
    page = (ROOT / "examples" / "imagenet.md").read_text()
    assert "Nobody has run this on ImageNet" in page
    for way in imagenet.ways(3, {}):
        assert way.name in page
    assert "--min-memory-saving 0.2668" in page
    assert (imagenet.PAPER_SAVING, imagenet.PAPER_BEFORE) == (0.2668, 0.733)
