"""Checkpoints of golden models, as their training scripts save them."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from tests.support.goldens import golden_files, load_golden


def saved(state: dict[str, Tensor], folder: Path) -> Path:
    torch.save({"state_dict": state}, folder / "model.pth")
    return folder / "model.pth"


def golden(name: str) -> dict[str, Tensor]:
    [path] = [path for path in golden_files(name.split("-")[0]) if path.stem == name]
    return dict(load_golden(path).state)
