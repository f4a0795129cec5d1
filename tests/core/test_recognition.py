"""What a file is taken for: never for something that computes other numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from primesvt_core.errors import CheckpointMismatch, UnknownFamily
from primesvt_core.intake import inspect, load_family
from primesvt_core.types import TensorSpec
from tests.support.goldens import GOLDEN, load_golden
from tests.support.shared import needs_shared

pytestmark = needs_shared


def saved(state: dict[str, Tensor], folder: Path) -> Path:
    torch.save({"state_dict": state}, folder / "model.pth")
    return folder / "model.pth"


def golden(name: str) -> dict[str, Tensor]:
    return dict(load_golden(GOLDEN / f"{name}.safetensors").state)


@pytest.mark.parametrize(
    ("name", "extra", "told"),
    [
        ("sdtv3-base", "block3.0.attn.q_spike.threshold", "stores thresholds"),
        ("sdtv3-base", "block3.0.attn.qe_conv.weight", "stores thresholds"),
        ("sdtv3-large-kd", "block3.0.rep_conv.conv1.0.weight", "does not run"),
    ],
)
def test_forks_are_refused_by_name(name: str, extra: str, told: str, tmp_path: Path) -> None:
    path = saved(golden(name) | {extra: torch.ones(1)}, tmp_path)
    with pytest.raises(UnknownFamily, match=told):
        inspect(path)


def test_a_stranger_is_told_the_nearest_family(tmp_path: Path) -> None:
    state = golden("spikformer-cifar-T2")
    state = {name.replace("attn.q_linear", "attn.query"): value for name, value in state.items()}
    with pytest.raises(UnknownFamily, match=r"nearest is Spikformer.*block\.0\.attn\.q_linear\.weight is missing"):
        inspect(saved(state, tmp_path))


def test_what_is_missing_too_much_or_misshapen_is_named(tmp_path: Path) -> None:
    state = golden("qkformer-cifar-T2")
    del state["stage3.0.ssa.proj_conv.bias"]
    state["stage3.0.ssa.surplus"] = torch.ones(1)
    state["stage1.0.tssa.k_bn.weight"] = torch.ones(3)
    with pytest.raises(CheckpointMismatch) as refusal:
        inspect(saved(state, tmp_path))
    for name in ("stage3.0.ssa.proj_conv.bias", "stage3.0.ssa.surplus", "stage1.0.tssa.k_bn.weight"):
        assert name in refusal.value.message


def test_heads_that_nobody_knows_divide_the_widths() -> None:
    for key in ("sdtv2", "sdtv3"):
        for widths, heads in (((256, 360), 8), ((60, 90), 2), ((36, 20), 4), ((96,), 8), ((75, 15), 1)):
            shapes = {
                f"downsample{3 + level}.encode_conv.weight": TensorSpec(
                    shape=(width, 8, 3, 3), dtype="float32", itemsize=4
                )
                for level, width in enumerate(widths)
            }
            assert load_family(key).asked["num_heads"].default("any", shapes) == heads


def test_heads_that_do_not_divide_are_refused(tmp_path: Path) -> None:
    path = saved(golden("spikingformer-cifar-T2"), tmp_path)
    assert inspect(path, {"num_heads": 4}).config.model_dump()["num_heads"] == 4
    with pytest.raises(Exception, match="num_heads 5 does not divide"):
        inspect(path, {"num_heads": 5})


@pytest.mark.parametrize("told", [4, [4]])
def test_arguments_that_the_public_code_ignores_are_not_believed(told: object, tmp_path: Path) -> None:
    """QKFormer's CIFAR models have 8 heads, whatever they are asked for."""
    torch.save({"model": golden("qkformer-cifar-T2"), "args": {"num_heads": told}}, tmp_path / "m.pth")
    found = {a.field: (a.value, a.source) for a in inspect(tmp_path / "m.pth").assumptions}
    assert found["num_heads"] == (8, "default")
    assert inspect(tmp_path / "m.pth", {"num_heads": 4}).config.model_dump()["num_heads"] == 4


@pytest.mark.parametrize(
    ("args", "field", "value", "source"),
    [
        ({"img_size": None, "input_size": [3, 64, 64]}, "image_size", 64, "checkpoint"),
        ({"img_size": (64, 64)}, "image_size", 64, "checkpoint"),
        ({"img_size": [64, 96]}, "image_size", 224, "default"),
        ({"num_heads": [4, 4, 4]}, "num_heads", 4, "checkpoint"),
        ({"num_heads": [2, 4, 4]}, "num_heads", 8, "default"),
        ({"num_heads": []}, "num_heads", 8, "default"),
        ({"num_heads": None, "heads": 4}, "num_heads", 4, "checkpoint"),
        ({"num_heads": np.int64(4)}, "num_heads", 4, "checkpoint"),
        ({"num_heads": [np.int32(4), np.uint8(4)]}, "num_heads", 4, "checkpoint"),
        ({"T": np.float32(2.0)}, "time_steps", 2, "checkpoint"),
        ({"T": np.float16(2.0)}, "time_steps", 2, "checkpoint"),
        ({"T": "2"}, "time_steps", 2, "checkpoint"),
        ({"T": True}, "time_steps", 4, "default"),
        ({"T": np.bool_(True)}, "time_steps", 4, "default"),
        ({"time_step": False, "T": 2}, "time_steps", 2, "checkpoint"),
    ],
)
def test_what_arguments_say_is_understood(
    args: dict[str, object], field: str, value: int, source: str, tmp_path: Path
) -> None:
    torch.save({"model": golden("spikformer-imagenet-T2"), "args": args}, tmp_path / "m.pth")
    found = {a.field: (a.value, a.source) for a in inspect(tmp_path / "m.pth").assumptions}
    assert found[field] == (value, source)
    assert type(found[field][0]) is int
