"""Writing for other software from Python."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import primesvt
from primesvt_core.errors import SpecError
from primesvt_core.testing.models import tiny


def test_what_the_command_writes(tmp_path: Path) -> None:
    model = tiny()
    torch.save({"model": model.state, "args": {"T": 2, "num_heads": 2, "image_size": 16}}, tmp_path / "original.pth")
    model.save_pruned(model.plan(0.5), tmp_path / "pruned.safetensors")
    out = tmp_path / "masked.pth"
    primesvt.export(tmp_path / "pruned.safetensors", str(out), to="masked", original=tmp_path / "original.pth")
    with torch.inference_mode():
        small = primesvt.load(tmp_path / "pruned.safetensors")(model.input)
        large = primesvt.load(out, time_steps=2, num_heads=2, image_size=16)(model.input)
    assert torch.allclose(small, large, atol=1e-4)
    with pytest.raises(SpecError, match="exists"):
        primesvt.export(tmp_path / "pruned.safetensors", out, to="masked", original=tmp_path / "original.pth")
