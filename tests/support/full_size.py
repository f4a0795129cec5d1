"""Full-size models of two families, and files of them as the public training scripts save them."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import torch

from primesvt_core.families import FAMILIES, sdtv2, spikformer
from primesvt_core.families._base import FamilyConfig

IMAGENET: dict[str, Any] = {
    "variant": "imagenet",
    "in_channels": 3,
    "num_classes": 1000,
    "image_size": 224,
    "time_steps": 4,
}


def ssa_blocks(dim: int, depth: int, ratio: int = 4) -> tuple[dict[str, int], ...]:
    return ({"qk_dim": dim, "v_dim": dim, "mlp_dim": ratio * dim},) * depth


def a_spikformer(dim: int, depth: int, **changes: Any) -> FamilyConfig:
    return spikformer.Config.model_validate(
        {
            **IMAGENET, "stem": (dim // 8, dim // 4, dim // 2), "embed_dim": dim, "blocks": ssa_blocks(dim, depth),
            "num_heads": 8, "attention_scale": 0.125, **changes,
        }
    )  # fmt: skip


def an_sdtv2(dims: tuple[int, int, int, int], *, kd: bool) -> FamilyConfig:
    streams = (dims[0] // 2, *dims)
    convs = [{"separable_dim": 2 * width, "hidden_dim": 4 * width} for width in (*streams[:3], streams[2])]

    def block(width: int) -> dict[str, int]:
        inner = {f"{name}_inner": width for name in ("q", "k", "v", "proj")}
        return {**inner, "qk_dim": width, "v_dim": width, "mlp_dim": 4 * width}

    return sdtv2.Config.model_validate(
        {
            **IMAGENET, "streams": streams, "num_heads": 1, "kd": kd, "conv_blocks": convs,
            "block3": [block(dims[2])] * 6, "block4": [block(dims[3])] * 2,
        }
    )  # fmt: skip


FILES: dict[str, tuple[str, FamilyConfig]] = {
    "spikformer-8-512.pth.tar": ("spikformer", a_spikformer(512, 8)),
    "sdtv2-55M-kd.pth.tar": ("sdtv2", an_sdtv2((128, 256, 512, 640), kd=True)),
}


def save_as_trained(name: str, folder: Path) -> Path:
    """One of `FILES` with random weights: weights, their average, optimizer, scaler and arguments."""
    key, config = FILES[name]
    model = FAMILIES.load(key).build(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    state = model.state_dict()
    arguments = {"model": key, "time_step": 4, "num_heads": 8, "img_size": 224, "lr": 5e-4, "output": ""}
    document = {
        "epoch": 299, "arch": key, "state_dict": state, "optimizer": optimizer.state_dict(), "version": 2,
        "args": Namespace(**arguments), "amp_scaler": {"scale": 65536.0, "growth_factor": 2.0},
        "state_dict_ema": {entry: tensor.clone() for entry, tensor in state.items()}, "metric": 73.38,
    }  # fmt: skip
    torch.save(document, folder / name)
    return folder / name
