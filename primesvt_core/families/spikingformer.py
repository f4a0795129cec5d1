"""Spikingformer (Zhou et al., arXiv 2304.11954): neurons before the convolutions, a stream of membrane currents.

Reproduces the ImageNet, CIFAR and DVS models of github.com/zhouchenlin2096/Spikingformer at commit 4378623b (MIT), and
those of github.com/zhouchenlin2096/Spikingformer-CML at commit 8e51213c (arXiv 2305.05954), written from their
description: names and shapes of the state dict, numerics, and the order of operations.

CML is another downsampling: a convolution, its BatchNorm, maxima, then the neuron. Its ImageNet and DVS models have the
names and shapes of Spikingformer's, and its training script the same arguments: which of the two a file is of must be
told. Its CIFAR models have the names of the ImageNet models, and a patch size of 4 in their arguments.

``step_cifar`` is Spikingformer of the benchmark STEP (github.com/Fancyssc/STEP at commit c0b31937) with leaky neurons,
which computes the same under Spikformer's names and keeps its thresholds in the state dict.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
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
from primesvt_core.families._forks import leaky_args
from primesvt_core.families._recipes import CIFAR100_CLASSES, cifar10, for_colours, imagenet
from primesvt_core.families._step import STEP_ARGS, STEP_NEURON, is_step, other_network, other_neurons
from primesvt_core.layers.graph import Flow, Part, Signal
from primesvt_core.layers.mlp import Mlp
from primesvt_core.layers.model import SpikingModel
from primesvt_core.layers.neurons import lif, stored_lif
from primesvt_core.layers.self_attention import SelfAttention
from primesvt_core.types import ChannelGroup, Layer, Shapes, TensorSlice

__all__ = ["FAMILY", "Config", "Spikingformer"]

NAMES = BlockNames(suffix="conv", mlp=("mlp.mlp1", "mlp.mlp2"))
STEP_NAMES = BlockNames(suffix="conv", projection_bias=False)


Downsampling = Literal["sped", "cml", "cml_cifar"]
"""Maxima of spikes before the convolutions (the paper's SPED), or of currents behind the first four, or behind two."""


class Config(FamilyConfig):
    """One Spikingformer. ``stem`` are the widths of the first four convolutions; the fifth begins the stream."""

    variant: Literal["imagenet", "cifar", "dvs", "step_cifar"]
    stem: tuple[Count, Count, Count, Count]
    embed_dim: Count
    blocks: tuple[BlockConfig, ...]
    num_heads: Count
    downsampling: Downsampling = "sped"
    neuron: Literal["lif"] = "lif"
    """Of STEP's neurons that store what a leaky one does, the only one that is known."""

    @model_validator(mode="after")
    def _heads_divide_widths(self) -> Config:
        check_heads(self.blocks, self.num_heads)
        return self


class VariantSpec(BaseModel):
    """How a variant names its stem, and what differs in its numerics.

    Attributes:
        stem: what its convolutions are called.
        pooled: before which of them spikes are pooled, or with ``pools_currents`` behind which currents are.
        tau: time constant of all neurons.
        number_last: whether a convolution is called ``proj_conv1`` instead of ``proj1_conv``.
        blocks: what the layers of its blocks are called.
    """

    model_config = ConfigDict(frozen=True)

    stem: tuple[str, str, str, str, str]
    pooled: tuple[bool, bool, bool, bool, bool]
    pools_currents: bool = False
    tau: float = 2.0
    number_last: bool = False
    blocks: BlockNames = NAMES

    def part(self, name: str, part: str) -> str:
        """The convolution, BatchNorm or neuron of a stage."""
        is_numbered = self.number_last and name[-1].isdigit()
        return f"{name[:-1]}_{part}{name[-1]}" if is_numbered else f"{name}_{part}"


PROJECTIONS = ("proj", "proj1", "proj2", "proj3", "proj4")
BLOCKS = ("block0", "block1", "block2", "block3", "block4")
FIRST_FOUR, LAST_FOUR = (True, True, True, True, False), (False, True, True, True, True)
VARIANTS = {
    ("imagenet", "sped"): VariantSpec(stem=PROJECTIONS, pooled=LAST_FOUR),
    ("cifar", "sped"): VariantSpec(stem=BLOCKS, pooled=(False, False, False, True, True)),
    ("dvs", "sped"): VariantSpec(stem=PROJECTIONS, pooled=LAST_FOUR, tau=1.5),
    ("imagenet", "cml"): VariantSpec(stem=PROJECTIONS, pooled=FIRST_FOUR, pools_currents=True),
    ("cifar", "cml_cifar"): VariantSpec(
        stem=PROJECTIONS, pooled=(False, False, True, True, False), pools_currents=True
    ),
    ("dvs", "cml"): VariantSpec(stem=PROJECTIONS, pooled=FIRST_FOUR, pools_currents=True, tau=1.75),
    ("step_cifar", "sped"): VariantSpec(
        stem=("proj", "proj1", "proj2", "proj3", "rpe"),
        pooled=(False, False, False, True, True),
        number_last=True,
        blocks=STEP_NAMES,
    ),
}
"""By variant and downsampling."""

IMAGE_SIZE = {"imagenet": 224, "cifar": 32, "dvs": 128, "step_cifar": 32}
CIFAR_CLASSES = (10, CIFAR100_CLASSES)
CIFAR_PATCH = 4


def _spec(config: Config) -> VariantSpec:
    return VARIANTS[config.variant, config.downsampling]


def _neuron(config: Config) -> Callable[..., nn.Module]:
    return stored_lif if is_step(config.variant) else partial(lif, tau=_spec(config).tau)


class Stem(Part):
    """Five convolutions with BatchNorm, a neuron between them, and maxima of what the neuron gives or gets."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.spec = _spec(config)
        widths = (config.in_channels, *config.stem, config.embed_dim)
        for index, (name, (source, target)) in enumerate(zip(self.spec.stem, pairwise(widths), strict=True)):
            self.add_module(self.spec.part(name, "conv"), nn.Conv2d(source, target, 3, padding=1, bias=False))
            self.add_module(self.spec.part(name, "bn"), nn.BatchNorm2d(target))
            if index:
                self.add_module(self.spec.part(name, "lif"), _neuron(config)())
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)

    def stage(self, flow: Flow, index: int, x: Signal) -> Signal:
        """``(T, B, C, H, W) -> (T, B, C', H', W')`` currents."""
        name = self.spec.stem[index]
        if index:
            x = flow.fire(x, self.get_submodule(self.spec.part(name, "lif")))
        layers = [self.get_submodule(self.spec.part(name, part)) for part in ("conv", "bn")]
        if not self.spec.pooled[index]:
            return flow.run(x, *layers)
        return (
            flow.run(x, *layers, self.pool) if self.spec.pools_currents else flow.run(flow.run(x, self.pool), *layers)
        )

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
        neuron, D, names = _neuron(config), config.embed_dim, _spec(config).blocks
        if not is_step(config.variant):  # in the public checkpoints, never used
            self.norm1, self.norm2 = nn.LayerNorm(D), nn.LayerNorm(D)
        self.attn = Attention(
            D, block.qk_dim, block.v_dim, num_heads=config.num_heads, neuron=neuron,
            projection_bias=names.projection_bias,
        )  # fmt: skip
        first, second = (name.removeprefix("mlp.") for name in names.mlp)
        self.mlp = Mlp(D, block.mlp_dim, names=(first, second), neuron=neuron, neuron_first=True)

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


STEP_MARKS = {"patch_embed.rpe_conv.weight", "block.0.attn.proj_conv.weight", "block.0.mlp.fc1_conv.weight"}
STEP_ABSENT = {"block.0.norm1.weight", "block.0.attn.proj_conv.bias", "block.0.attn.talking_heads.weight"}
"""What STEP's Spikformer for ImageNet and its Spike-driven Transformer have besides."""


def unsupported_reason(shapes: Shapes) -> str | None:
    """STEP's with other neurons than leaky ones, and SGLFormer."""
    if shapes.keys() >= STEP_MARKS and not shapes.keys() & STEP_ABSENT:
        return other_neurons(shapes)
    return other_network(shapes, "SGLFormer")


def identify(shapes: Shapes) -> str | None:
    """The variant whose names the state dict has; ImageNet's and DVS's differ in the image's channels only."""
    if shapes.keys() >= STEP_MARKS and not shapes.keys() & STEP_ABSENT:
        return "step_cifar"
    if "block.0.mlp.mlp1_conv.weight" not in shapes:
        return None
    if "patch_embed.block0_conv.weight" in shapes:
        return "cifar"
    first = shapes.get("patch_embed.proj_conv.weight")
    if first is None or "patch_embed.proj4_conv.weight" not in shapes:
        return None
    return "dvs" if first.shape[1] == 2 else "imagenet"


def infer(variant: str, shapes: Shapes, values: Mapping[str, Value]) -> Config:
    """Read every width off the shapes; ``cml_cifar`` makes a CIFAR model of what has the names of an ImageNet model.

    Raises:
        ValueError: if the variant has no such downsampling.
    """
    downsampling = str(values["downsampling"])
    if (variant, downsampling) == ("imagenet", "cml_cifar"):
        variant = "cifar"
    if (variant, downsampling) not in VARIANTS:
        known = ", ".join(found for of, found in VARIANTS if of == variant)
        raise ValueError(f"downsampling is {downsampling}, which is none of {known}")
    spec = VARIANTS[variant, downsampling]
    convolutions = [f"patch_embed.{spec.part(name, 'conv')}.weight" for name in spec.stem]
    *stem, embedding = (shapes[name].shape[0] for name in convolutions)
    return Config.model_validate(
        {
            "variant": variant,
            "in_channels": shapes[convolutions[0]].shape[1],
            "num_classes": shapes["head.weight"].shape[0],
            "stem": tuple(stem),
            "embed_dim": embedding,
            "blocks": tuple(infer_block(shapes, f"block.{i}", spec.blocks) for i in range(count(shapes, "block"))),
            **values,
        }
    )


def _stem(spec: VariantSpec) -> list[Producer]:
    base = "patch_embed"
    return [Producer(f"{base}.{spec.part(name, 'conv')}", f"{base}.{spec.part(name, 'bn')}") for name in spec.stem]


def layers(config: Config) -> tuple[Layer, ...]:
    """Stem convolutions, the seven layers of each block, the head."""
    owners = (*(f"stem.{i}" for i in range(4)), "embedding")
    producers, names = _stem(_spec(config)), _spec(config).blocks
    return (
        *(
            layer(f"stem.{i}", producer.module, producer.norm, bias=False, group=owner)
            for i, (producer, owner) in enumerate(zip(producers, owners, strict=True))
        ),
        *(found for i in range(len(config.blocks)) for found in block_layers(f"block.{i}", names, "embedding")),
        layer("head", "head", None, bias=True, group=None),
    )


def groups(config: Config) -> tuple[ChannelGroup, ...]:
    """Stem convolutions, then q/k, v and MLP of each block, and the residual stream as ``embedding``."""
    producers, names = _stem(_spec(config)), _spec(config).blocks
    bases = [f"block.{i}" for i in range(len(config.blocks))]
    stem = (
        group(f"stem.{i}", config.stem[i], f"stem.{i}", (a,), (b.module,))
        for i, (a, b) in enumerate(pairwise(producers))
    )
    blocks = (
        found
        for i, base in enumerate(bases)
        for found in block_groups(base, f"blocks.{i}", config.blocks[i], names, config.num_heads)
    )
    embedding = group(
        "embedding",
        config.embed_dim,
        "embed_dim",
        (producers[-1], *(producer for base in bases for producer in names.producers(base))),
        (*(consumer for base in bases for consumer in names.consumers(base)), "head"),
        extra=(TensorSlice(tensor=name, dim=0) for name in sorted(unused(config))),
        scope="global",
    )
    return (*stem, *blocks, embedding)


def unused(config: Config) -> frozenset[str]:
    """LayerNorms of the blocks."""
    blocks = () if is_step(config.variant) else range(len(config.blocks))
    norms = [f"block.{i}.norm{n}" for i in blocks for n in (1, 2)]
    return frozenset(f"{name}.{entry}" for name in norms for entry in ("weight", "bias"))


def preprocessing(config: Config) -> Preprocessing:
    """Of the public evaluation scripts; event frames and grey images are taken as they are."""
    return for_colours(config, {"imagenet": imagenet, "cifar": cifar10, "step_cifar": cifar10})


def _default_heads(variant: str, shapes: Shapes) -> int:
    K, D = shapes["head.weight"].shape
    is_cifar10 = K == 10 if variant == "imagenet" else K != CIFAR100_CLASSES  # whose settings keep the builder's 8
    published = {("imagenet", 384): 12 if is_cifar10 else 8, ("cifar", 384): 12 if is_cifar10 else 8, ("dvs", 256): 16}
    return published.get((variant.removeprefix("step_"), D)) or math.gcd(D, 8)


def _default_size(variant: str, shapes: Shapes) -> int:
    return IMAGE_SIZE["cifar" if variant == "imagenet" and _is_cifar(shapes) else variant]


def _is_cifar(shapes: Shapes) -> bool:
    """Whether a model with the names of the ImageNet models was probably trained on CIFAR."""
    return shapes["head.weight"].shape[0] in CIFAR_CLASSES


def _told_downsampling(variant: str, shapes: Shapes) -> str | None:
    """Where the names of the stem are not those that Spikingformer and CML share."""
    is_told = is_step(variant) or f"patch_embed.{BLOCKS[0]}_conv.weight" in shapes
    return "sped" if is_told else None


def _named_downsampling(args: Mapping[str, object]) -> str | None:
    """A patch size of 4, of a model with the names of the ImageNet models."""
    return "cml_cifar" if args.get("patch_size") == CIFAR_PATCH else None


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
        "image_size": Hyperparameter(_default_size),
        "downsampling": Hyperparameter(
            lambda *_: "sped",
            parse_args=_named_downsampling,
            tell=_told_downsampling,
            choices=("sped", "cml", "cml_cifar"),
            must_be_told=lambda *_: True,
        ),
        "neuron": STEP_NEURON,
    },
    infer=infer,
    build=Spikingformer,
    layers=layers,
    groups=groups,
    unused=unused,
    preprocessing=preprocessing,
    class_rule=lambda _: "natural",
    unsupported_reason=unsupported_reason,
    implied_args={**STEP_ARGS, **leaky_args(lambda config: _spec(config).tau)},
)
