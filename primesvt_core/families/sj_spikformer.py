"""Spikformer (Zhou et al., arXiv 2209.15425) as spikingjelly's own model zoo has it (``spikformer_s`` and others).

Reproduces any configuration of spikingjelly 2.0's ``Spikformer`` class, written from its description: names and shapes
of the state dict, numerics, and the order of operations. Only the head has a bias; queries, keys and values are one
projection.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from itertools import pairwise
from typing import Literal

from pydantic import model_validator
from torch import nn

from primesvt_core.data import Preprocessing
from primesvt_core.families._base import Count, Family, Hyperparameter, Producer, Value, group, layer
from primesvt_core.families._blocks import BlockConfig, check_heads, count
from primesvt_core.families._fused import fused_groups, fused_layers, fused_widths
from primesvt_core.families._recipes import cifar10, for_colours, imagenet
from primesvt_core.families._zoo import (
    IMAGE_SIZE,
    NEURON_FIELDS,
    SIZE_NAMES,
    SOURCE,
    ZooConfig,
    names_neuron,
    variant_of,
)
from primesvt_core.layers.graph import Flow, Part, Signal
from primesvt_core.layers.model import SpikingModel
from primesvt_core.layers.pointwise import PointwiseConv1d
from primesvt_core.layers.self_attention import FusedSelfAttention
from primesvt_core.types import ChannelGroup, Layer, Shapes

__all__ = ["FAMILY", "BlockConfig", "Config", "Spikformer"]

PATCH = {"imagenet": 16, "cifar": 4, "dvs": 16}
HEADS = {256: 8, 384: 12}
"""Of the zoo's builders, by width."""

STAGES = 4
UNPOOLED = {16: 0, 4: 2}
"""Stages of the stem that do not halve the image, by patch size."""


class Config(ZooConfig):
    """One Spikformer of the zoo."""

    variant: Literal["imagenet", "cifar", "dvs"]
    stem: tuple[Count, Count, Count]
    embed_dim: Count
    blocks: tuple[BlockConfig, ...]
    num_heads: Count
    patch_size: Literal[4, 16]

    @model_validator(mode="after")
    def _heads_divide_widths(self) -> Config:
        check_heads(self.blocks, self.num_heads)
        return self


class Bare(nn.Sequential):
    """A 3 x 3 convolution and its BatchNorm under the name that the zoo wraps them in."""

    def __init__(self, source: int, target: int) -> None:
        conv = nn.Conv2d(source, target, 3, padding=1, bias=False)
        super().__init__(OrderedDict(block=nn.Sequential(conv, nn.BatchNorm2d(target))))


class StemStage(Part):
    """Convolution, BatchNorm, perhaps pooling, neuron: the currents are pooled, not the spikes."""

    def __init__(self, config: Config, source: int, target: int, *, pooled: bool) -> None:
        super().__init__()
        self.conv_bn = Bare(source, target)
        self.neuron = config.make_neuron()
        self.pool = nn.MaxPool2d(3, stride=2, padding=1) if pooled else nn.Identity()

    def define(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, C, H, W) -> (T, B, C', H', W')`` spikes."""
        return flow.fire(flow.run(x, self.conv_bn, self.pool), self.neuron)


class Stem(Part):
    """Four stages, and a fifth that is added as the tokens' positions."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        widths, first = (config.in_channels, *config.stem, config.embed_dim), UNPOOLED[config.patch_size]
        self.stages = nn.ModuleList(
            StemStage(config, source, target, pooled=index >= first)
            for index, (source, target) in enumerate(pairwise(widths))
        )
        self.positional_encoding = StemStage(config, config.embed_dim, config.embed_dim, pooled=False)

    def define(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, C, H, W) -> (T, B, D, N)`` integers."""
        x = flow.through(x, *self.stages)
        return flow.tokens(flow.add(x, flow.through(x, self.positional_encoding)))


class Mlp(Part):
    """Two pointwise layers, a neuron behind each."""

    def __init__(self, config: Config, block: BlockConfig) -> None:
        super().__init__()
        D, hidden = config.embed_dim, block.mlp_dim
        self.fc1 = nn.Sequential(PointwiseConv1d(D, hidden, bias=False), nn.BatchNorm1d(hidden))
        self.neuron1 = config.make_neuron()
        self.fc2 = nn.Sequential(PointwiseConv1d(hidden, D, bias=False), nn.BatchNorm1d(D))
        self.neuron2 = config.make_neuron()

    def define(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, D, N)`` to spikes of the same shape."""
        hidden = flow.fire(flow.run(x, self.fc1), self.neuron1)
        return flow.fire(flow.run(hidden, self.fc2), self.neuron2)


class Block(Part):
    """Attention and MLP, their spikes added to the stream of integers."""

    def __init__(self, config: Config, block: BlockConfig) -> None:
        super().__init__()
        self.attn = FusedSelfAttention(
            config.embed_dim, block.qk_dim, block.v_dim, num_heads=config.num_heads, neuron=config.make_inner_neuron,
            attention_neuron=config.make_attention_neuron,
        )  # fmt: skip
        self.mlp = Mlp(config, block)

    def define(self, flow: Flow, x: Signal) -> Signal:
        x = flow.add(x, self.attn.define(flow, x))
        return flow.add(x, self.mlp.define(flow, x))


class Spikformer(SpikingModel):
    """The network: stem, blocks, mean over tokens and time, linear head.

    The zoo's class leaves the mean over time to its caller.
    """

    def __init__(self, config: Config) -> None:
        super().__init__(config.time_steps)
        self.patch_embed = Stem(config)
        self.blocks = nn.ModuleList(Block(config, block) for block in config.blocks)
        self.head = nn.Linear(config.embed_dim, config.num_classes)

    def define(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, C, H, W) -> (B, num_classes)``."""
        x = flow.through(x, self.patch_embed, *self.blocks)
        return flow.apply("logits", lambda y: self.head(y.mean(3)).mean(0), x, modules=(self.head,))


def identify(shapes: Shapes) -> str | None:
    """By the names of stem and attention; the variant by the image's channels and the number of classes."""
    if "patch_embed.positional_encoding.conv_bn.block.0.weight" not in shapes:
        return None
    if "blocks.0.attn.qkv_conv_bn.0.weight" not in shapes or "head.weight" not in shapes:
        return None
    return variant_of(shapes[f"{_stem(0).module}.weight"].shape[1], shapes["head.weight"].shape[0])


def infer(variant: str, shapes: Shapes, values: Mapping[str, Value]) -> Config:
    """Read every width off the shapes."""

    def width(module: str) -> int:
        return shapes[f"{module}.weight"].shape[0]

    def block(base: str) -> BlockConfig:
        qk_dim, v_dim = fused_widths(shapes, f"{base}.attn")
        return BlockConfig(qk_dim=qk_dim, v_dim=v_dim, mlp_dim=width(f"{base}.mlp.fc1.0"))

    return Config.model_validate(
        {
            "variant": variant,
            "in_channels": shapes[f"{_stem(0).module}.weight"].shape[1],
            "num_classes": width("head"),
            "stem": tuple(width(_stem(i).module) for i in range(STAGES - 1)),
            "embed_dim": width(_stem(STAGES - 1).module),
            "blocks": tuple(block(f"blocks.{i}") for i in range(count(shapes, "blocks"))),
            **values,
        }
    )


def _wrapped(name: str) -> Producer:
    return Producer(f"{name}.conv_bn.block.0", f"{name}.conv_bn.block.1")


def _stem(stage: int) -> Producer:
    return _wrapped(f"patch_embed.stages.{stage}")


POSITIONS = _wrapped("patch_embed.positional_encoding")


def _projection(name: str) -> Producer:
    return Producer(f"{name}.0", f"{name}.1")


def layers(config: Config) -> tuple[Layer, ...]:
    """Stem convolutions, the six layers of each block, queries, keys and values apart, the head."""
    owners = (*(f"stem.{i}" for i in range(STAGES - 1)), "embedding")
    named = [(f"stem.{i}", _stem(i), owner) for i, owner in enumerate(owners)] + [
        ("stem.positions", POSITIONS, "embedding")
    ]
    found = [layer(name, producer.module, producer.norm, bias=False, group=owner) for name, producer, owner in named]
    for i, block in enumerate(config.blocks):
        base = f"blocks.{i}"
        found += fused_layers(f"{base}.attn", block.qk_dim, block.v_dim, "embedding")
        for name, owner in ((f"{base}.mlp.fc1", f"{base}.mlp.fc1"), (f"{base}.mlp.fc2", "embedding")):
            found.append(layer(name, f"{name}.0", f"{name}.1", bias=False, group=owner))
    return (*found, layer("head", "head", bias=True, group=None))


def groups(config: Config) -> tuple[ChannelGroup, ...]:
    """Stem stages, then q/k, v and MLP of each block, and the residual stream as ``embedding``."""
    stem = (
        group(f"stem.{i}", width, f"stem.{i}", (_stem(i),), (_stem(i + 1).module,))
        for i, width in enumerate(config.stem)
    )
    blocks = (found for i in range(len(config.blocks)) for found in _block_groups(config, i))
    return (*stem, *blocks, _embedding(config))


def _block_groups(config: Config, index: int) -> tuple[ChannelGroup, ...]:
    base, path, block = f"blocks.{index}", f"blocks.{index}", config.blocks[index]
    fc1, fc2 = f"{base}.mlp.fc1", f"{base}.mlp.fc2"
    return (
        *fused_groups(f"{base}.attn", path, block.qk_dim, block.v_dim, config.num_heads),
        group(fc1, block.mlp_dim, f"{path}.mlp_dim", (_projection(fc1),), (_projection(fc2).module,)),
    )


def _embedding(config: Config) -> ChannelGroup:
    bases = [f"blocks.{i}" for i in range(len(config.blocks))]
    producers = [_projection(f"{base}.{name}") for base in bases for name in ("attn.proj_conv_bn", "mlp.fc2")]
    consumers = [_projection(f"{base}.{name}").module for base in bases for name in ("attn.qkv_conv_bn", "mlp.fc1")]
    return group(
        "embedding",
        config.embed_dim,
        "embed_dim",
        (_stem(STAGES - 1), POSITIONS, *producers),
        (POSITIONS.module, *consumers, "head"),
        scope="global",
    )


def preprocessing(config: Config) -> Preprocessing:
    """Of Spikformer's evaluation scripts; event frames and grey images are taken as they are."""
    return for_colours(config, {"imagenet": imagenet, "cifar": cifar10})


def _default_heads(_variant: str, shapes: Shapes) -> int:
    D = shapes["head.weight"].shape[1]
    return HEADS.get(D) or math.gcd(D, 8)


FAMILY = Family(
    title="Spikformer (spikingjelly)",
    paper="arXiv 2209.15425",
    source=f"{SOURCE}.spikformer",
    config_type=Config,
    signature_keys=("patch_embed.positional_encoding.conv_bn.block.0.weight", "blocks.0.attn.qkv_conv_bn.0.weight"),
    identify=identify,
    hyperparameters={
        "time_steps": Hyperparameter(lambda variant, _: 16 if variant == "dvs" else 4),
        "num_heads": Hyperparameter(_default_heads),
        "image_size": Hyperparameter(lambda variant, _: IMAGE_SIZE[variant], SIZE_NAMES),
        "patch_size": Hyperparameter(lambda variant, _: PATCH[variant]),
        **NEURON_FIELDS,
        # the constructor keeps its tau from the attention, but for neurons that the caller chose
        "attention_tau": Hyperparameter(
            lambda *_: 2.0, parse_args=lambda args: args.get("tau") if names_neuron(args) else None
        ),
    },
    infer=infer,
    build=Spikformer,
    layers=layers,
    groups=groups,
    preprocessing=preprocessing,
    class_rule=lambda _: "plain",
)
