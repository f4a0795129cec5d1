"""Spikformer (Zhou et al., arXiv 2209.15425): spiking self-attention with a spike-add residual stream.

Reproduces the ImageNet, CIFAR and CIFAR10-DVS models of github.com/ZK-Zhou/spikformer at commit 62126898 (MIT), written
from their description: names and shapes of the state dict, numerics, and the order of operations. ``step_imagenet`` and
``step_cifar`` are those of the benchmark STEP (github.com/Fancyssc/STEP at commit c0b31937) with leaky neurons, which
compute the same and keep their thresholds in the state dict.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Literal

import torch
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
from primesvt_core.families._forks import FUSION, leaky_args
from primesvt_core.families._recipes import cifar10, for_colours, imagenet
from primesvt_core.families._step import STEP_ARGS, STEP_NEURON, other_network, other_neurons, stores_thresholds
from primesvt_core.layers.graph import Flow, Part, Signal
from primesvt_core.layers.mlp import Mlp
from primesvt_core.layers.model import SpikingModel
from primesvt_core.layers.neurons import lif, stored_lif
from primesvt_core.layers.pointwise import Pointwise, PointwiseConv1d, PointwiseConv2d, PointwiseLinear
from primesvt_core.layers.self_attention import SelfAttention
from primesvt_core.types import ChannelGroup, Layer, Shapes, TensorSlice

__all__ = ["FAMILY", "BlockConfig", "Config", "Spikformer"]

STEM_SUFFIXES = ("", "1", "2", "3")
STRIDE = 16
"""Of the tokens where every stage of the stem pools."""


class Config(FamilyConfig):
    """One Spikformer."""

    variant: Literal["imagenet", "cifar", "dvs", "step_imagenet", "step_cifar"]
    stem: tuple[Count, Count, Count]
    embed_dim: Count
    blocks: tuple[BlockConfig, ...]
    num_heads: Count
    attention_scale: float
    unused_positions: int = 0
    """Tokens of the DVS variant's position embedding, which the forward pass never reads."""
    neuron: Literal["lif"] = "lif"
    """Of STEP's neurons that store what a leaky one does, the only one that is known."""

    @model_validator(mode="after")
    def _heads_divide_widths(self) -> Config:
        check_heads(self.blocks, self.num_heads)
        return self


class VariantSpec(BaseModel):
    """How a variant names and lays out its layers."""

    model_config = ConfigDict(frozen=True)

    suffix: str
    attention: Pointwise
    attention_bias: bool
    mlp: Pointwise
    pooled: tuple[bool, bool, bool, bool]
    scale: float
    image_size: int
    projection_bias: bool = True
    has_layer_norms: bool = True
    neuron: Callable[..., nn.Module] = lif

    @property
    def names(self) -> BlockNames:
        """What the layers of its blocks are called."""
        return BlockNames(suffix=self.suffix, qkv_bias=self.attention_bias, projection_bias=self.projection_bias)


VARIANTS = {
    "imagenet": VariantSpec(
        suffix="conv", attention=PointwiseConv1d, attention_bias=False, mlp=PointwiseConv2d,
        pooled=(True, True, True, True), scale=0.125, image_size=224,
    ),
    "cifar": VariantSpec(
        suffix="linear", attention=PointwiseLinear, attention_bias=True, mlp=PointwiseLinear,
        pooled=(False, False, True, True), scale=0.125, image_size=32,
    ),
    "dvs": VariantSpec(
        suffix="conv", attention=PointwiseConv1d, attention_bias=False, mlp=PointwiseConv1d,
        pooled=(True, True, True, True), scale=0.25, image_size=128,
    ),
}  # fmt: skip
VARIANTS |= {
    "step_imagenet": VARIANTS["imagenet"].model_copy(update={"projection_bias": False, "neuron": stored_lif}),
    "step_cifar": VARIANTS["cifar"].model_copy(update={"has_layer_norms": False, "neuron": stored_lif}),
}


class Stem(Part):
    """Spiking patch splitting: four conv-BN-LIF stages, some pooled, and a convolution as relative position."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        spec, widths = VARIANTS[config.variant], (config.in_channels, *config.stem, config.embed_dim)
        for suffix, (source, target) in zip(STEM_SUFFIXES, pairwise(widths), strict=True):
            self.add_module(f"proj_conv{suffix}", nn.Conv2d(source, target, 3, padding=1, bias=False))
            self.add_module(f"proj_bn{suffix}", nn.BatchNorm2d(target))
            self.add_module(f"proj_lif{suffix}", spec.neuron())
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.rpe_conv = nn.Conv2d(config.embed_dim, config.embed_dim, 3, padding=1, bias=False)
        self.rpe_bn = nn.BatchNorm2d(config.embed_dim)
        self.rpe_lif = spec.neuron()
        self.pooled = spec.pooled

    def stage(self, flow: Flow, index: int, x: Signal) -> Signal:
        """Conv, BN, LIF and perhaps pooling: ``(T, B, C, H, W) -> (T, B, C', H', W')`` spikes."""
        conv, bn, fire = (self.get_submodule(f"proj_{part}{STEM_SUFFIXES[index]}") for part in ("conv", "bn", "lif"))
        x = flow.fire(flow.run(x, conv, bn), fire)
        return flow.run(x, self.pool) if self.pooled[index] else x

    def define(self, flow: Flow, x: Signal) -> Signal:
        """All stages, and relative position: ``(T, B, C, H, W) -> (T, B, D, N)`` integers."""
        for index in range(len(STEM_SUFFIXES)):
            x = self.stage(flow, index, x)
        return flow.tokens(flow.add(x, flow.fire(flow.run(x, self.rpe_conv, self.rpe_bn), self.rpe_lif)))


class Block(Part):
    """Attention and MLP, their spikes added to the stream of integers."""

    def __init__(self, config: Config, block: BlockConfig) -> None:
        super().__init__()
        spec, D = VARIANTS[config.variant], config.embed_dim
        if spec.has_layer_norms:  # in the public checkpoints, never used
            self.norm1, self.norm2 = nn.LayerNorm(D), nn.LayerNorm(D)
        self.attn = SelfAttention(
            D, block.qk_dim, block.v_dim, num_heads=config.num_heads, scale=config.attention_scale,
            pointwise=spec.attention, suffix=spec.suffix, bias=spec.attention_bias,
            projection_bias=spec.projection_bias, neuron=spec.neuron,
        )  # fmt: skip
        self.mlp = Mlp(D, block.mlp_dim, pointwise=spec.mlp, suffix=spec.suffix, neuron=spec.neuron)

    def define(self, flow: Flow, x: Signal) -> Signal:
        x = flow.add(x, self.attn.define(flow, x))
        return flow.add(x, self.mlp.define(flow, x))


class Spikformer(SpikingModel):
    """The network: stem, blocks, mean over tokens and time, linear head."""

    def __init__(self, config: Config) -> None:
        super().__init__(config.time_steps)
        self.patch_embed = Stem(config)
        self.block = nn.ModuleList(Block(config, block) for block in config.blocks)
        self.head = nn.Linear(config.embed_dim, config.num_classes)
        if config.variant == "dvs":
            self.pos_embed = nn.Parameter(torch.zeros(1, config.unused_positions, config.embed_dim))
            self.norm = nn.LayerNorm(config.embed_dim)

    def define(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, C, H, W) -> (B, num_classes)``."""
        x = flow.through(x, self.patch_embed, *self.block)
        return flow.apply("logits", lambda y: self.head(y.mean(3).mean(0)), x, modules=(self.head,))


def identify(shapes: Shapes) -> str | None:
    """The variant whose names the state dict has (the attention's suffix and the MLP's kernel distinguish them)."""
    if "block.0.attn.q_linear.weight" in shapes:
        return "step_cifar" if stores_thresholds(shapes) else "cifar"
    fc1 = shapes.get("block.0.mlp.fc1_conv.weight")
    if fc1 is None or "patch_embed.rpe_conv.weight" not in shapes or "block.0.attn.q_conv.weight" not in shapes:
        return None
    if len(shapes["block.0.attn.q_conv.weight"].shape) != 3 or "block.0.attn.talking_heads.weight" in shapes:
        return None  # Spike-driven Transformer V1 shares most names
    if len(fc1.shape) == 4 and not {"block.0.norm1.weight", "block.0.attn.proj_conv.bias"} & shapes.keys():
        return None  # STEP's Spikingformer
    if len(fc1.shape) == 4:
        return "step_imagenet" if stores_thresholds(shapes) else "imagenet"
    return "dvs" if len(fc1.shape) == 3 and "pos_embed" in shapes else None


def unsupported_reason(shapes: Shapes) -> str | None:
    """STEP's other neurons and its Spikingformer, and Spikformer with CML."""
    if "patch_embed.block4_conv.weight" in shapes and "block.0.attn.q_linear.weight" in shapes:
        return (
            "it is of Spikingformer-CML's Spikformer, which pools before its neurons, and which PrimeSVT does not know"
        )
    if "patch_embed.rpe_conv.weight" not in shapes or "block.0.attn.talking_heads.weight" in shapes:
        return None
    is_large = "block.0.attn.q_conv.weight" in shapes and "block.0.attn.proj_conv.bias" not in shapes
    is_small = "block.0.attn.q_linear.weight" in shapes and not any(".norm1." in name for name in shapes)
    of_step = other_network(shapes, "SEMM", "SWFormer", "TIM")
    return of_step or (other_neurons(shapes) if is_large or is_small else None)


def infer(variant: str, shapes: Shapes, values: Mapping[str, Value]) -> Config:
    """Read every width off the shapes."""
    spec = VARIANTS[variant]

    def width(module: str) -> int:
        return shapes[f"{module}.weight"].shape[0]

    return Config.model_validate(
        {
            "variant": variant,
            "in_channels": shapes["patch_embed.proj_conv.weight"].shape[1],
            "num_classes": width("head"),
            "stem": tuple(width(f"patch_embed.proj_conv{suffix}") for suffix in STEM_SUFFIXES[:3]),
            "embed_dim": width("patch_embed.proj_conv3"),
            "blocks": tuple(infer_block(shapes, f"block.{i}", spec.names) for i in range(count(shapes, "block"))),
            "attention_scale": spec.scale,
            "unused_positions": shapes["pos_embed"].shape[1] if variant == "dvs" else 0,
            **values,
        }
    )


def layers(config: Config) -> tuple[Layer, ...]:
    """Stem convolutions, the seven layers of each block, the head."""
    spec = VARIANTS[config.variant]
    named = [
        layer(f"stem.{i}", f"patch_embed.proj_conv{s}", f"patch_embed.proj_bn{s}", bias=False,
              group=f"stem.{i}" if i < 3 else "embedding")
        for i, s in enumerate(STEM_SUFFIXES)
    ]  # fmt: skip
    named.append(layer("stem.rpe", "patch_embed.rpe_conv", "patch_embed.rpe_bn", bias=False, group="embedding"))
    for i in range(len(config.blocks)):
        named += block_layers(f"block.{i}", spec.names, "embedding")
    named.append(layer("head", "head", None, bias=True, group=None))
    return tuple(named)


def groups(config: Config) -> tuple[ChannelGroup, ...]:
    """Stem stages, then q/k, v and MLP of each block, and the residual stream as ``embedding``."""
    names = VARIANTS[config.variant].names
    stem = (
        group(f"stem.{i}", config.stem[i], f"stem.{i}", (_stem(a),), (f"patch_embed.proj_conv{b}",))
        for i, (a, b) in enumerate(pairwise(STEM_SUFFIXES))
    )
    blocks = (
        found
        for i, block in enumerate(config.blocks)
        for found in block_groups(f"block.{i}", f"blocks.{i}", block, names, config.num_heads)
    )
    return (*stem, *blocks, _embedding(config, names))


def _stem(suffix: str) -> Producer:
    return Producer(f"patch_embed.proj_conv{suffix}", f"patch_embed.proj_bn{suffix}")


def _embedding(config: Config, names: BlockNames) -> ChannelGroup:
    bases = [f"block.{i}" for i in range(len(config.blocks))]
    rpe = Producer("patch_embed.rpe_conv", "patch_embed.rpe_bn")
    return group(
        "embedding",
        config.embed_dim,
        "embed_dim",
        (_stem("3"), rpe, *(producer for base in bases for producer in names.producers(base))),
        (rpe.module, *(consumer for base in bases for consumer in names.consumers(base)), "head"),
        extra=(TensorSlice(tensor=name, dim=2 if name == "pos_embed" else 0) for name in sorted(unused(config))),
        scope="global",
    )


def unused(config: Config) -> frozenset[str]:
    """LayerNorms of the blocks; of the DVS variant also the position embedding and the last LayerNorm."""
    blocks = range(len(config.blocks)) if VARIANTS[config.variant].has_layer_norms else ()
    norms = [f"block.{i}.norm{n}" for i in blocks for n in (1, 2)]
    extra = ("norm.weight", "norm.bias", "pos_embed") if config.variant == "dvs" else ()
    return frozenset((*(f"{name}.{entry}" for name in norms for entry in ("weight", "bias")), *extra))


def preprocessing(config: Config) -> Preprocessing:
    """Of the public evaluation scripts; event frames and grey images are taken as they are."""
    return for_colours(config, {name: imagenet if "imagenet" in name else cifar10 for name in VARIANTS})


def _default_heads(variant: str, shapes: Shapes) -> int:
    D = shapes["patch_embed.proj_conv3.weight"].shape[0]
    published = {
        ("imagenet", 384): 12,
        ("imagenet", 512): 8,
        ("imagenet", 768): 12,
        ("cifar", 384): 12,
        ("dvs", 256): 16,
    }
    return published.get((variant.removeprefix("step_"), D)) or math.gcd(D, 8)


def _told_size(variant: str, shapes: Shapes) -> int | None:
    """The DVS variant's unused position embedding has an entry for every token, of square images."""
    tokens = shapes["pos_embed"].shape[1] if variant == "dvs" else 0
    side = math.isqrt(tokens)
    return STRIDE * side if side and side * side == tokens else None


FAMILY = Family(
    title="Spikformer",
    paper="arXiv 2209.15425",
    source="github.com/ZK-Zhou/spikformer @ 62126898",
    config_type=Config,
    signature_keys=("patch_embed.rpe_conv.weight", "patch_embed.proj_conv3.weight", "block.0.attn.q_linear.weight"),
    identify=identify,
    hyperparameters={
        "time_steps": Hyperparameter(lambda variant, _: 16 if variant == "dvs" else 4),
        "num_heads": Hyperparameter(_default_heads),
        "image_size": Hyperparameter(lambda variant, _: VARIANTS[variant].image_size, tell=_told_size),
        "neuron": STEP_NEURON,
    },
    infer=infer,
    build=Spikformer,
    layers=layers,
    groups=groups,
    unused=unused,
    preprocessing=preprocessing,
    class_rule=lambda _: "natural",
    unsupported_reason=unsupported_reason,
    implied_args={**STEP_ARGS, **leaky_args(), **FUSION},
)
