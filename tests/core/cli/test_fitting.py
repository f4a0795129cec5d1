"""What inspect --data tries, and what it says of data that no choice fits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from primesvt_core.cli import fitting
from primesvt_core.cli.fitting import fits
from tests.support import tiny

USUAL = 32
"""The family's size of images, where nothing tells another."""


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Untrained; few choices are tried."""
    monkeypatch.setattr(fitting, "HEADS", (2,))
    monkeypatch.setattr(fitting, "TIME_STEPS", (2,))
    torch.save({"model": tiny.model().state_dict(), "args": {"T": 2, "num_heads": 2}}, tmp_path / "tiny.pth")
    return tmp_path / "tiny.pth"


def data(folder: Path, height: int, width: int) -> Path:
    pictures = np.random.default_rng(0).integers(0, 256, (60, height, width), np.uint8)
    np.savez(folder / "set.npz", images=pictures, labels=np.arange(60) % tiny.CLASSES)
    return folder / "set.npz"


@pytest.mark.parametrize(
    ("height", "width", "sides"), [(16, 16, {USUAL, 16}), (16, 24, {USUAL}), (USUAL, USUAL, {USUAL})]
)
def test_the_datas_own_size_is_tried(
    checkpoint: Path, tmp_path: Path, height: int, width: int, sides: set[int]
) -> None:
    found = fits(checkpoint, data(tmp_path, height, width), {}, lambda *_: None)
    assert {dict(fit.others)["image_size"] for fit in found.choices} == sides
    given = fits(checkpoint, data(tmp_path, height, width), {"image_size": 24}, lambda *_: None)
    assert {dict(fit.others)["image_size"] for fit in given.choices} == {24}


def test_it_says_when_everything_is_near_chance(checkpoint: Path, tmp_path: Path) -> None:
    found = fits(checkpoint, data(tmp_path, USUAL, USUAL), {}, lambda *_: None)
    [note] = found.notes
    assert "is near chance" in note
    assert found.to_json()["data"] == {
        "name": "set.npz", "samples": 60, "is_labelled": True, "classes": ["0", "1", "2"], "notes": [note],
        "tried_on": 21,
    }  # fmt: skip


def test_the_choice_that_other_commands_take_is_marked_wherever_it_stands(checkpoint: Path, tmp_path: Path) -> None:
    found = fits(checkpoint, data(tmp_path, 16, 16), {}, lambda *_: None)
    [assumed] = [fit for fit in found.choices if fit.is_assumed]
    assert (assumed.num_heads, assumed.time_steps, dict(assumed.others)["image_size"]) == (2, 2, USUAL)
    assert [*found.choices] == sorted(found.choices, key=lambda fit: -fit.accuracy)
