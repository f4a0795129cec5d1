"""Layers and groups by size."""

from __future__ import annotations

from primesvt_core.pruning.sizes import sort_groups, sort_layers
from primesvt_core.types import ChannelGroup, Layer, TensorSpec


def test_layers_are_sorted_by_parameters_and_groups_by_their_largest_layer() -> None:
    layers = [
        Layer(name=name, tensors=(f"{name}.w", f"{name}.running_mean"), group=group)
        for name, group in (("a", "ga"), ("b", "stream"), ("c", "ga"), ("head", None))
    ]
    extents = {"a": 10, "b": 40, "c": 30, "head": 99}
    shapes = {
        f"{layer.name}.{kind}": TensorSpec(shape=(extents[layer.name],), dtype="float32", itemsize=4)
        for layer in layers
        for kind in ("w", "running_mean")
    }
    sizes = sort_layers(layers, shapes)
    assert [(size.name, size.parameters, size.parameter_bytes) for size in sizes] == [
        ("head", 99, 792), ("b", 40, 320), ("c", 30, 240), ("a", 10, 80),
    ]  # fmt: skip
    groups = [_group("stream", "global"), _group("ga", "local")]
    assert [(group.name, group.parameters) for group in sort_groups(groups, sizes)] == [("ga", 40), ("stream", 40)]


def test_layers_fused_in_one_tensor_are_sized_apart() -> None:
    shapes = {
        "qkv.weight": TensorSpec(shape=(24, 5), dtype="float32", itemsize=4),
        "bn.running_mean": TensorSpec(shape=(24,), dtype="float32", itemsize=4),
        "bn.num_batches_tracked": TensorSpec(shape=(), dtype="int64", itemsize=8),
    }
    names = tuple(shapes)
    layers = [
        Layer(name="q", tensors=names, group="qk", rows=6),
        Layer(name="k", tensors=names[:2], group="qk", rows=6),
        Layer(name="v", tensors=names[:2], group="v", rows=12),
    ]
    sizes = sort_layers(layers, shapes)
    assert [(size.name, size.shape, size.parameters) for size in sizes] == [
        ("v", (12, 5), 60), ("q", (6, 5), 30), ("k", (6, 5), 30),
    ]  # fmt: skip
    assert sum(size.parameter_bytes for size in sizes) == sum(spec.bytes for spec in shapes.values())


def _group(name: str, scope: str) -> ChannelGroup:
    return ChannelGroup(name=name, size=8, width="w", slices=(), producers=(), silencers=(), consumers=(), scope=scope)  # type: ignore[arg-type]
