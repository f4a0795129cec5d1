"""Preprocessing: the family's, with a checkpoint's own."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from primesvt_core.intake.inspect import inspect
from primesvt_core.spec import PreprocessingOverrides
from tests.support.checkpoints import golden
from tests.support.goldens import GOLDEN, load_golden
from tests.support.shared import needs_shared

pytestmark = needs_shared

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.mark.parametrize(
    ("classes", "size", "mean"), [(10, 128, 0.4914), (100, 128, 129.3 / 255), (100, 224, 0.485), (11, 128, None)]
)
def test_a_transferred_spikingresformer_is_shown_images_as_its_data_set_s_models(
    classes: int, size: int, mean: float | None
) -> None:
    record = load_golden(GOLDEN / "spikingresformer-imagenet-T2.safetensors")
    config = record.config.model_copy(update={"num_classes": classes, "image_size": size})
    found = record.family.preprocessing(config)
    assert (found.mean and found.mean[0]) == mean
    assert found.resize == (size if size == 128 else 235)


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ({}, {}),
        ({"mean": [0.4, 0.5, 0.6], "std": (0.2, 0.3, 1)}, {"mean": (0.4, 0.5, 0.6), "std": (0.2, 0.3, 1.0)}),
        ({"mean": [np.float64(0.4)] * 3}, {"mean": (0.4, 0.4, 0.4)}),
        ({"mean": [0.4, 0.5], "std": [0.2], "crop_pct": 0, "interpolation": ""}, {}),
        ({"mean": [0.4, math.nan, 0.5], "std": [0.2, 0.2, 0.0], "crop_pct": 1.1, "interpolation": "random"}, {}),
        ({"mean": [True] * 3, "std": ["1"] * 3, "crop_pct": True, "interpolation": 3}, {}),
        ({"mean": None, "std": 0.5, "crop_pct": None, "interpolation": None}, {}),
        ({"crop_pct": 5e-324}, {}),
        ({"crop_pct": math.nan}, {}),
        ({"crop_pct": 0.95, "interpolation": "bilinear"}, {"resize": 235, "interpolation": "bilinear"}),
        ({"crop_pct": 0.875, "img_size": 192}, {"resize": 219, "crop": 192}),
        ({"mean": [0.485, 0.456, 0.406], "crop_pct": 1.0, "interpolation": "bicubic"}, {}),
    ],
)
def test_the_preprocessing_of_the_training_script_is_the_checkpoint_s(
    args: dict[str, object], expected: dict[str, object], tmp_path: Path
) -> None:
    torch.save({"model": golden("spikformer-imagenet-T2"), "args": args}, tmp_path / "m.pth")
    found = inspect(tmp_path / "m.pth")
    usual = {"resize": 224, "crop": 224, "interpolation": "bicubic"} | {"mean": IMAGENET[0], "std": IMAGENET[1]}
    assert found.preprocessing.model_dump() == {**usual, **expected}
    [*notes] = [note for note in found.notes if note.startswith("preprocessing from the checkpoint: ")]
    differs = {name for name, value in expected.items() if name != "crop"}
    assert {name for note in notes for name in differs if f"{name}=" in note} == differs
    assert bool(notes) == bool(differs)
    assert notes == [note for note in found.to_json()["notes"] if note in notes]  # type: ignore[union-attr]
    asked = PreprocessingOverrides(mean=(0.5, 0.5, 0.5))
    assert found.preprocessing.overridden(asked).mean == (0.5, 0.5, 0.5)


def test_event_frames_are_not_normalised_whatever_a_training_script_says(tmp_path: Path) -> None:
    args = {"mean": [0.4, 0.4], "std": [0.2, 0.2, 0.2], "crop_pct": 0.5}
    torch.save({"model": golden("spikformer-dvs-T2"), "args": args}, tmp_path / "m.pth")
    found = inspect(tmp_path / "m.pth")
    assert found.preprocessing == found.family.preprocessing(found.config)
