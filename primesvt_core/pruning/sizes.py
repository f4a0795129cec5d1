"""Sorting layers and groups by size, largest first: the order in which the policy goes through them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from primesvt_core.pruning.groups import is_buffer
from primesvt_core.types import ChannelGroup, GroupSize, Layer, LayerSize, Shapes, TensorSpec


def sort_layers(layers: Iterable[Layer], shapes: Shapes) -> tuple[LayerSize, ...]:
    """Layers by number of parameters, largest first; of equals, the earlier in the forward pass."""
    return tuple(sorted((layer_size(layer, shapes) for layer in layers), key=lambda size: -size.parameters))


def layer_size(layer: Layer, shapes: Shapes) -> LayerSize:
    """A layer's size; of fused layers, that of its own rows."""
    specs = {name: _own(shapes[name], layer.rows) for name in layer.tensors}
    return LayerSize(
        name=layer.name,
        group=layer.group,
        shape=specs[layer.tensors[0]].shape,
        parameters=sum(math.prod(spec.shape) for name, spec in specs.items() if not is_buffer(name)),
        parameter_bytes=sum(spec.bytes for spec in specs.values()),
    )


def _own(spec: TensorSpec, rows: int | None) -> TensorSpec:
    return spec if rows is None or not spec.shape else replace(spec, shape=(rows, *spec.shape[1:]))


def sort_groups(groups: Iterable[ChannelGroup], layers: Iterable[LayerSize]) -> tuple[GroupSize, ...]:
    """Groups in the order of the largest layer each produces, local ones before residual streams.

    A stream runs through the whole model: pruning it first would spend the accuracy on every layer at once, where the
    method means to spend it on the largest one.
    """
    produced: dict[str, list[LayerSize]] = {}
    for layer in layers:
        if layer.group is not None:
            produced.setdefault(layer.group, []).append(layer)
    local = {group.name: group.scope == "local" for group in groups}
    sizes = [
        GroupSize(
            name=group.name,
            size=group.size,
            min_size=group.min_size,
            parts=group.parts,
            parameters=sum(layer.parameters for layer in produced[group.name]),
            parameter_bytes=sum(layer.parameter_bytes for layer in produced[group.name]),
        )
        for group in groups
    ]
    largest = {name: max(layer.parameters for layer in members) for name, members in produced.items()}
    return tuple(sorted(sizes, key=lambda size: (not local[size.name], -largest[size.name])))
