"""Networks of levels (Spike-driven Transformer V2 and V3): downsampling, convolution blocks, transformer blocks.

Every level has a residual stream of its own. What a block is differs from family to family; where blocks are, how
streams are read and written, and the head are the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict
from torch import nn

from primesvt_core.families._base import Count, FamilyConfig, Producer, group, layer
from primesvt_core.families._blocks import count
from primesvt_core.layers.graph import Flow, Part, Signal
from primesvt_core.layers.model import SpikingModel
from primesvt_core.types import ChannelGroup, Layer, Shapes, TensorSlice

DOWNSAMPLINGS = ("downsample1_1", "downsample1_2", "downsample2", "downsample3", "downsample4")
CONV_BLOCKS = {"ConvBlock1_1.0": 0, "ConvBlock1_2.0": 1, "ConvBlock2_1.0": 2, "ConvBlock2_2.0": 2}
"""Convolution blocks and the level that each belongs to."""

USUAL_HEADS = 8
TRANSFORMER_BLOCKS = {"block3": 3, "block4": 4}
Neuron = Callable[[], nn.Module]


class Frozen(BaseModel):
    """Widths of one block."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ConvBlockConfig(Frozen):
    """Widths of a convolution block: of its separable convolution, and between its two convolutions."""

    separable_dim: Count
    hidden_dim: Count


class RepBlockConfig(Frozen):
    """Widths of a transformer block; the ``inner`` ones lie inside the re-parameterised convolutions."""

    q_inner: Count
    k_inner: Count
    v_inner: Count
    proj_inner: Count
    qk_dim: Count
    v_dim: Count
    mlp_dim: Count


class PyramidConfig(FamilyConfig):
    """What all such networks have: a stream a level, and whether a second head was taught by distillation."""

    streams: tuple[Count, ...]
    num_heads: Count
    kd: bool


class LevelsConfig(PyramidConfig):
    """Of networks whose neurons give one of several levels: ``levels`` is the highest, which weights do not tell."""

    levels: Count = 4


@dataclass(frozen=True, kw_only=True)
class Places:
    """What blocks add to a stream and read from it: by a block's prefix its producers, consumers and more slices."""

    conv_producers: Callable[[str], tuple[Producer, ...]]
    conv_consumers: Callable[[str], tuple[str, ...]]
    block_producers: Callable[[str], tuple[Producer, ...]]
    block_consumers: Callable[[str], tuple[str, ...]]
    block_extra: Callable[[str], tuple[TensorSlice, ...]] = field(default=lambda _: ())


class Downsampling(Part):
    """Convolution and BatchNorm, a neuron before them but for the first."""

    def __init__(self, source: int, target: int, level: int, neuron: Neuron | None, neuron_name: str) -> None:
        super().__init__()
        kernel, stride = (3 if level else 7), (1 if level == 4 else 2)
        self.encode_conv = nn.Conv2d(source, target, kernel, stride=stride, padding=kernel // 2)
        self.encode_bn = nn.BatchNorm2d(target)
        self.neuron_name = neuron_name if neuron else None
        if neuron:
            self.add_module(neuron_name, neuron())

    def define(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, C, H, W) -> (T, B, C', H', W')`` currents."""
        if self.neuron_name:
            x = flow.fire(x, self.get_submodule(self.neuron_name))
        return flow.run(x, self.encode_conv, self.encode_bn)


class Pyramid(SpikingModel):
    """A network of levels; subclasses give the blocks, which take ``(T, B, C, H, W)`` and give as much."""

    def __init__(
        self,
        config: PyramidConfig,
        conv_blocks: Sequence[nn.Module],
        blocks: Mapping[str, Sequence[nn.Module]],
        neuron: Neuron,
        neuron_name: str,
    ) -> None:
        super().__init__(config.time_steps)
        widths = (config.in_channels, *config.streams)
        for level, name in enumerate(DOWNSAMPLINGS[: len(config.streams)]):
            before = neuron if level else None
            self.add_module(name, Downsampling(widths[level], widths[level + 1], level, before, neuron_name))
        for name, block in zip(CONV_BLOCKS, conv_blocks, strict=True):
            self.add_module(name.removesuffix(".0"), nn.ModuleList([block]))
        for name, found in blocks.items():
            self.add_module(name, nn.ModuleList(found))
        self.head = nn.Linear(config.streams[-1], config.num_classes)
        self.head_kd = nn.Linear(config.streams[-1], config.num_classes) if config.kd else None
        self.counts = {name: len(found) for name, found in blocks.items()}

    def logits(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, D, H, W) -> (B, num_classes)``."""
        raise NotImplementedError

    def define(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, C, H, W) -> (B, num_classes)``."""
        return self.logits(flow, flow.through(x, *map(self.get_submodule, module_names(self.counts))))


def module_names(counts: Mapping[str, int]) -> tuple[str, ...]:
    """Downsamplings and blocks in the order of the forward pass, by the number of blocks of each kind."""
    names: list[str] = []
    for level, downsampling in enumerate(DOWNSAMPLINGS[: 3 + len(counts)]):
        names += [downsampling, *(name for name, at in CONV_BLOCKS.items() if at == level)]
        names += [f"{name}.{i}" for name, at in TRANSFORMER_BLOCKS.items() if at == level for i in range(counts[name])]
    return tuple(names)


def infer_pyramid(shapes: Shapes, levels: int) -> dict[str, Any]:
    """The fields of `PyramidConfig` that shapes determine."""
    convs = [shapes[f"{name}.encode_conv.weight"].shape for name in DOWNSAMPLINGS[:levels]]
    return {
        "in_channels": convs[0][1],
        "streams": tuple(shape[0] for shape in convs),
        "num_classes": shapes["head.weight"].shape[0],
        "kd": "head_kd.weight" in shapes,
    }


def block_names(shapes: Shapes) -> dict[str, list[str]]:
    """Prefixes of the transformer blocks, by the list that they are in."""
    lists = [name for name in TRANSFORMER_BLOCKS if any(key.startswith(f"{name}.") for key in shapes)]
    return {name: [f"{name}.{i}" for i in range(count(shapes, name))] for name in lists}


def downsampling_layers(config: PyramidConfig) -> dict[str, Layer]:
    """The layer of every downsampling, by its module."""
    return {
        name: layer(name, f"{name}.encode_conv", f"{name}.encode_bn", bias=True, group=f"stream.{level}")
        for level, name in enumerate(DOWNSAMPLINGS[: len(config.streams)])
    }


def default_heads(_variant: str, shapes: Shapes) -> int:
    """The public models' 8, or what of it divides the width of every level with attention."""
    modules = (f"{name}.encode_conv.weight" for name in DOWNSAMPLINGS[-2:])
    return math.gcd(USUAL_HEADS, *(shapes[module].shape[0] for module in modules if module in shapes))


def head_layers(config: PyramidConfig) -> tuple[Layer, ...]:
    """The classifiers."""
    return tuple(layer(name, name, bias=True, group=None) for name in _heads(config))


def _heads(config: PyramidConfig) -> tuple[str, ...]:
    return ("head", "head_kd") if config.kd else ("head",)


def stream_groups(config: PyramidConfig, counts: Mapping[str, int], places: Places) -> Iterator[ChannelGroup]:
    """The residual stream of every level."""
    for level, width in enumerate(config.streams):
        downsampling = DOWNSAMPLINGS[level]
        convs = [name for name, at in CONV_BLOCKS.items() if at == level]
        kinds = [name for name, at in TRANSFORMER_BLOCKS.items() if at == level]
        blocks = [f"{name}.{i}" for name in kinds for i in range(counts.get(name, 0))]
        producers = [Producer(f"{downsampling}.encode_conv", f"{downsampling}.encode_bn", bias=True)]
        producers += [producer for name in convs for producer in places.conv_producers(name)]
        producers += [producer for name in blocks for producer in places.block_producers(name)]
        consumers = [consumer for name in convs for consumer in places.conv_consumers(name)]
        consumers += [consumer for name in blocks for consumer in places.block_consumers(name)]
        is_last = level + 1 == len(config.streams)
        consumers += _heads(config) if is_last else (f"{DOWNSAMPLINGS[level + 1]}.encode_conv",)
        extra = [piece for name in blocks for piece in places.block_extra(name)]
        yield group(f"stream.{level}", width, f"streams.{level}", producers, consumers, extra=extra, scope="global")
