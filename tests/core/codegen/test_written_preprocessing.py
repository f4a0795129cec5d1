"""Preprocessing that is copied into a standalone model: the numbers of ours, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from primesvt_core.codegen import written_preprocessing
from primesvt_core.data import Preprocessing

CHANCE = np.random.default_rng(0)
NORMAL: dict[str, Any] = {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.25)}


@pytest.mark.parametrize(
    ("settings", "sample"),
    [
        ({}, CHANCE.integers(0, 256, (9, 7, 3), np.uint8)),
        (NORMAL, CHANCE.integers(0, 256, (9, 9, 3), np.uint8)),
        (NORMAL, CHANCE.random((9, 9, 3), np.float32)),
        (NORMAL, CHANCE.integers(0, 256, (8, 8, 1), np.uint8)),  # grey, normalised into three channels
        ({"resize": 12, "crop": 8, **NORMAL}, CHANCE.integers(0, 256, (20, 31, 3), np.uint8)),
        ({"resize": 12, "crop": 12, "interpolation": "bicubic"}, CHANCE.integers(0, 256, (8, 8, 1), np.uint8)),
        ({"resize": 12, "interpolation": "nearest"}, CHANCE.random((9, 10, 3), np.float32)),
        ({"resize": 12, "crop": 9}, CHANCE.integers(0, 256, (20, 21, 2), np.uint8)),
        ({"crop": 16}, CHANCE.integers(0, 256, (9, 11, 3), np.uint8)),  # too small: zeros around it
        ({"resize": 8, "crop": 6, **NORMAL}, CHANCE.poisson(0.3, (3, 2, 9, 9)).astype(np.float32)),
        ({"crop": 12}, CHANCE.poisson(0.3, (3, 2, 9, 9)).astype(np.uint8)),
    ],
)
def test_a_sample_is_prepared_alike(
    settings: dict[str, Any], sample: np.ndarray[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = Preprocessing(**settings)
    for name in ("resize", "crop", "interpolation", "mean", "std"):
        monkeypatch.setattr(written_preprocessing, name.upper(), getattr(ours, name))
    found = written_preprocessing.preprocess(sample)
    assert found.dtype == torch.float32
    assert np.array_equal(found.numpy(), ours.apply(sample))
