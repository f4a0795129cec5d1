"""What does not fit its config is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from primesvt_core.errors import CheckpointMismatch
from primesvt_core.intake.inspect import inspect
from tests.support.checkpoints import golden, saved
from tests.support.shared import needs_shared

pytestmark = needs_shared


def test_what_is_missing_too_much_or_misshapen_is_named(tmp_path: Path) -> None:
    state = golden("qkformer-cifar-T2")
    del state["stage3.0.ssa.proj_conv.bias"]
    state["stage3.0.ssa.surplus"] = torch.ones(1)
    state["stage1.0.tssa.k_bn.weight"] = torch.ones(3)
    with pytest.raises(CheckpointMismatch) as refusal:
        inspect(saved(state, tmp_path))
    for name in ("stage3.0.ssa.proj_conv.bias", "stage3.0.ssa.surplus", "stage1.0.tssa.k_bn.weight"):
        assert name in refusal.value.message
    assert "a family of its own" in refusal.value.message
