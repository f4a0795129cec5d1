"""Spikingformer (Zhou et al., arXiv 2304.11954): neurons before the convolutions, a stream of membrane currents.

Reproduces the ImageNet, CIFAR and DVS models of github.com/zhouchenlin2096/Spikingformer at commit 4378623b (MIT),
written from their description: names and shapes of the state dict, numerics, and the order of operations.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from itertools import pairwise
from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator
from torch import nn

from primesvt_core.data import Preprocessing
from primesvt_core.families._base import Count, Family, FamilyConfig, Hyperparameter, Producer, Value, group, layer
from primesvt_core.families._blocks import (
    BlockConfig,
    BlockNames,
    block_groups,
    block_layers,
    check_heads,
    count,
    infer_block,
)
from primesvt_core.families._recipes import CIFAR100_CLASSES, cifar10, for_colours, imagenet
from primesvt_core.layers.graph import Flow, Part, Signal
from primesvt_core.layers.mlp import Mlp
from primesvt_core.layers.model import SpikingModel
from primesvt_core.layers.neurons import lif
from primesvt_core.layers.self_attention import SelfAttention
from primesvt_core.types import ChannelGroup, Layer, Shapes, TensorSlice

__all__ = ["FAMILY", "Config", "Spikingformer"]

NAMES = BlockNames(suffix="conv", mlp=("mlp.mlp1", "mlp.mlp2"))


class Config(FamilyConfig):
    """One Spikingformer. ``stem`` are the widths of the first four convolutions; the fifth begins the stream."""

    variant: Literal["imagenet", "cifar", "dvs"]
    stem: tuple[Count, Count, Count, Count]
    embed_dim: Count
    blocks: tuple[BlockConfig, ...]
    num_heads: Count

    @model_validator(mode="after")
    def _heads_divide_widths(self) -> Config:
        check_heads(self.blocks, self.num_heads)
        return self


class VariantSpec(BaseModel):
    """How a variant names its stem, and what differs in its numerics."""

    model_config = ConfigDict(frozen=True)

    stem: tuple[str, str, str, str, str]
    pooled: tuple[bool, bool, bool, bool, bool]
    tau: float
    image_size: int


PROJECTIONS = ("proj", "proj1", "proj2", "proj3", "proj4")
VARIANTS = {
    "imagenet": VariantSpec(stem=PROJECTIONS, pooled=(False, True, True, True, True), tau=2.0, image_size=224),
    "cifar": VariantSpec(
        stem=("block0", "block1", "block2", "block3", "block4"), pooled=(False, False, False, True, True), tau=2.0,
        image_size=32,
    ),
    "dvs": VariantSpec(stem=PROJECTIONS, pooled=(False, True, True, True, True), tau=1.5, image_size=128),
}  # fmt: skip


class Stem(Part):
    """Five convolutions with BatchNorm; but for the first, a neuron and perhaps pooling come before each."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.spec = VARIANTS[config.variant]
        widths = (config.in_channels, *config.stem, config.embed_dim)
        for index, (name, (source, target)) in enumerate(zip(self.spec.stem, pairwise(widths), strict=True)):
            self.add_module(f"{name}_conv", nn.Conv2d(source, target, 3, padding=1, bias=False))
            self.add_module(f"{name}_bn", nn.BatchNorm2d(target))
            if index:
                self.add_module(f"{name}_lif", lif(tau=self.spec.tau))
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)

    def stage(self, flow: Flow, index: int, x: Signal) -> Signal:
        """``(T, B, C, H, W) -> (T, B, C', H', W')`` currents."""
        name = self.spec.stem[index]
        if index:
            x = flow.fire(x, self.get_submodule(f"{name}_lif"))
        if self.spec.pooled[index]:
            x = flow.run(x, self.pool)
        return flow.run(x, self.get_submodule(f"{name}_conv"), self.get_submodule(f"{name}_bn"))

    def define(self, flow: Flow, x: Signal) -> Signal:
        """All stages: ``(T, B, C, H, W) -> (T, B, D, N)`` currents."""
        for index in range(len(self.spec.stem)):
            x = self.stage(flow, index, x)
        return flow.tokens(x)


class Attention(SelfAttention):
    """Spiking self-attention behind a neuron on the stream, which the public code calls ``proj_lif``."""

    def define(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, D, N)`` stream to currents of the same shape."""
        return self.attend(flow, self.spike(flow, "proj", x))


class Block(Part):
    """Attention and MLP, their currents added to the stream."""

    def __init__(self, config: Config, block: BlockConfig) -> None:
        super().__init__()
        neuron, D = partial(lif, tau=VARIANTS[config.variant].tau), config.embed_dim
        self.norm1 = nn.LayerNorm(D)  # in the public checkpoints, never used
        self.attn = Attention(D, block.qk_dim, block.v_dim, num_heads=config.num_heads, neuron=neuron)
        self.norm2 = nn.LayerNorm(D)
        self.mlp = Mlp(D, block.mlp_dim, names=("mlp1", "mlp2"), neuron=neuron, neuron_first=True)

    def define(self, flow: Flow, x: Signal) -> Signal:
        x = flow.add(x, self.attn.define(flow, x))
        return flow.add(x, self.mlp.define(flow, x))


class Spikingformer(SpikingModel):
    """The network: stem, blocks, mean over tokens and time of the currents, linear head."""

    def __init__(self, config: Config) -> None:
        super().__init__(config.time_steps)
        self.patch_embed = Stem(config)
        self.block = nn.ModuleList(Block(config, block) for block in config.blocks)
        self.head = nn.Linear(config.embed_dim, config.num_classes)

    def define(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, C, H, W) -> (B, num_classes)``."""
        x = flow.through(x, self.patch_embed, *self.block)
        return flow.apply("logits", lambda y: self.head(y.mean(3).mean(0)), x, modules=(self.head,))


def identify(shapes: Shapes) -> str | None:
    """The variant whose names the state dict has; ImageNet's and DVS's differ in the image's channels only."""
    if "block.0.mlp.mlp1_conv.weight" not in shapes:
        return None
    if "patch_embed.block0_conv.weight" in shapes:
        return "cifar"
    first = shapes.get("patch_embed.proj_conv.weight")
    if first is None or "patch_embed.proj4_conv.weight" not in shapes:
        return None
    return "dvs" if first.shape[1] == 2 else "imagenet"


def infer(variant: str, shapes: Shapes, values: Mapping[str, Value]) -> Config:
    """Read every width off the shapes."""
    *stem, embedding = (shapes[f"patch_embed.{name}_conv.weight"].shape[0] for name in VARIANTS[variant].stem)
    return Config.model_validate(
        {
            "variant": variant,
            "in_channels": shapes[f"patch_embed.{VARIANTS[variant].stem[0]}_conv.weight"].shape[1],
            "num_classes": shapes["head.weight"].shape[0],
            "stem": tuple(stem),
            "embed_dim": embedding,
            "blocks": tuple(infer_block(shapes, f"block.{i}", NAMES) for i in range(count(shapes, "block"))),
            **values,
        }
    )


def _stem(name: str) -> Producer:
    return Producer(f"patch_embed.{name}_conv", f"patch_embed.{name}_bn")


def layers(config: Config) -> tuple[Layer, ...]:
    """Stem convolutions, the seven layers of each block, the head."""
    owners = (*(f"stem.{i}" for i in range(4)), "embedding")
    producers = map(_stem, VARIANTS[config.variant].stem)
    return (
        *(
            layer(f"stem.{i}", producer.module, producer.norm, bias=False, group=owner)
            for i, (producer, owner) in enumerate(zip(producers, owners, strict=True))
        ),
        *(found for i in range(len(config.blocks)) for found in block_layers(f"block.{i}", NAMES, "embedding")),
        layer("head", "head", None, bias=True, group=None),
    )


def groups(config: Config) -> tuple[ChannelGroup, ...]:
    """Stem convolutions, then q/k, v and MLP of each block, and the residual stream as ``embedding``."""
    names = VARIANTS[config.variant].stem
    bases = [f"block.{i}" for i in range(len(config.blocks))]
    stem = (
        group(f"stem.{i}", config.stem[i], f"stem.{i}", (_stem(a),), (_stem(b).module,))
        for i, (a, b) in enumerate(pairwise(names))
    )
    blocks = (
        found
        for i, base in enumerate(bases)
        for found in block_groups(base, f"blocks.{i}", config.blocks[i], NAMES, config.num_heads)
    )
    embedding = group(
        "embedding",
        config.embed_dim,
        "embed_dim",
        (_stem(names[-1]), *(producer for base in bases for producer in NAMES.producers(base))),
        (*(consumer for base in bases for consumer in NAMES.consumers(base)), "head"),
        extra=(TensorSlice(tensor=name, dim=0) for name in sorted(unused(config))),
        scope="global",
    )
    return (*stem, *blocks, embedding)


def unused(config: Config) -> frozenset[str]:
    """LayerNorms of the blocks."""
    norms = [f"block.{i}.norm{n}" for i in range(len(config.blocks)) for n in (1, 2)]
    return frozenset(f"{name}.{entry}" for name in norms for entry in ("weight", "bias"))


def preprocessing(config: Config) -> Preprocessing:
    """Of the public evaluation scripts; event frames and grey images are taken as they are."""
    return for_colours(config, {"imagenet": imagenet, "cifar": cifar10})


def _default_heads(variant: str, shapes: Shapes) -> int:
    K, D = shapes["head.weight"].shape
    published = {("cifar", 384): 12, ("dvs", 256): 16}
    if variant == "cifar" and K == CIFAR100_CLASSES:
        published = {}  # its settings keep the builder's 8
    return published.get((variant, D)) or math.gcd(D, 8)


FAMILY = Family(
    title="Spikingformer",
    paper="arXiv 2304.11954",
    source="github.com/zhouchenlin2096/Spikingformer @ 4378623b",
    config_type=Config,
    signature_keys=("block.0.mlp.mlp1_conv.weight", "patch_embed.proj4_conv.weight", "patch_embed.block0_conv.weight"),
    identify=identify,
    hyperparameters={
        "time_steps": Hyperparameter(lambda variant, _: 16 if variant == "dvs" else 4),
        "num_heads": Hyperparameter(_default_heads),
        "image_size": Hyperparameter(lambda variant, _: VARIANTS[variant].image_size),
    },
    infer=infer,
    build=Spikingformer,
    layers=layers,
    groups=groups,
    unused=unused,
    preprocessing=preprocessing,
    class_rule=lambda _: "natural",
)
