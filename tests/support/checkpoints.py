"""Checkpoints of golden models, as their training scripts save them."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from tests.support.goldens import GOLDEN, load_golden


def saved(state: dict[str, Tensor], folder: Path) -> Path:
    torch.save({"state_dict": state}, folder / "model.pth")
    return folder / "model.pth"


def golden(name: str) -> dict[str, Tensor]:
    return dict(load_golden(GOLDEN / f"{name}.safetensors").state)
