"""Shapes of all values of a forward pass, computed without values."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from primesvt_core.families._base import Family, FamilyConfig
from primesvt_core.layers.graph import INPUT, Fire, Signal


def shapes(family: Family[FamilyConfig], config: FamilyConfig) -> Mapping[Signal, tuple[int, ...]]:
    """Of every value, for one image of the config's size."""
    with torch.device("meta"), torch.no_grad():
        model = family.build(config).eval()
        image = torch.empty(config.time_steps, 1, config.in_channels, config.image_size, config.image_size)
        values = {INPUT: image}
        for node in model.graph.nodes:
            inputs = [values[name] for name in node.inputs]
            values[node.value] = inputs[0] if isinstance(node.op, Fire) else node.op(*inputs)
    return {name: tuple(value.shape) for name, value in values.items()}
