"""Spike-driven Transformer (Yao et al., arXiv 2307.01694): attention by masks, a stream of membrane currents.

Reproduces the models of github.com/BICLab/Spike-Driven-Transformer at commit 3faa8227, written from their description:
names and shapes of the state dict, numerics, and the order of operations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from primesvt_core.data import Preprocessing
from primesvt_core.families._base import Asked, Family, FamilyConfig, Value, Writer, group, layer
from primesvt_core.families._blocks import count
from primesvt_core.families._recipes import as_it_is, cifar10, cifar100, imagenet
from primesvt_core.layers.folding import folded
from primesvt_core.layers.mixing import CurrentMlp, Mixing
from primesvt_core.layers.model import SpikingModel, Stage
from primesvt_core.layers.neurons import SilentWeight, lif, plif
from primesvt_core.layers.pointwise import PointwiseConv2d
from primesvt_core.types import ChannelGroup, Layer, Shapes

__all__ = ["FAMILY", "BlockConfig", "Config", "SpikeDrivenTransformer"]

MASK_THRESHOLD = 0.5
CROP_SHARE = 0.95
"""The public evaluation crops ImageNet's images to this share of their side."""

STEM = ("", "1", "2", "3")
POOLING = {"imagenet": "1111", "cifar": "0011", "gesture": "0111", "cifar10dvs": "0011"}
TIME_STEPS = {"imagenet": 4, "cifar": 4, "gesture": 16, "cifar10dvs": 10}
IMAGE_SIZE = {"imagenet": 224, "cifar": 32, "gesture": 128, "cifar10dvs": 64}
NEURONS: Mapping[str, Callable[..., nn.Module]] = {"lif": lif, "plif": plif}


class BlockConfig(BaseModel):
    """Widths of one block: queries, keys and values are one; the MLP's is the stream's where it has a residual."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    attention_dim: int
    mlp_dim: int


class Config(FamilyConfig):
    """One Spike-driven Transformer.

    Attributes:
        pooling_stat: for each of the stem's four stages ``1`` if it pools.
        dvs_mode: whether the attention dilates its spikes over positions and over the channels of a head.
        mlp_residual: whether the MLP adds its hidden currents to the stream, as it does where it was built as wide as
            the stream; a flag of its own, since pruning may make the widths equal by accident.
    """

    variant: Literal["imagenet", "cifar", "gesture", "cifar10dvs"]
    stem: tuple[int, int, int]
    embed_dim: int
    blocks: tuple[BlockConfig, ...]
    num_heads: int
    neuron: Literal["lif", "plif"]
    pooling_stat: str = Field(pattern=r"^[01]{4}$")
    dvs_mode: bool
    mlp_residual: bool

    @model_validator(mode="after")
    def _heads_divide_widths(self) -> Config:
        for block in self.blocks if self.dvs_mode else ():
            if block.attention_dim % self.num_heads:
                raise ValueError(f"num_heads {self.num_heads} does not divide {block.attention_dim}")
        return self


class Stem(nn.Module):
    """Four conv-BN stages, spikes between them, and a convolution that is added to the currents."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        neuron = NEURONS[config.neuron]
        widths = (config.in_channels, *config.stem, config.embed_dim)
        for suffix, (source, target) in zip(STEM, pairwise(widths), strict=True):
            self.add_module(f"proj_conv{suffix}", nn.Conv2d(source, target, 3, padding=1, bias=False))
            self.add_module(f"proj_bn{suffix}", nn.BatchNorm2d(target))
            self.add_module(f"proj_lif{suffix}", neuron())
        self.rpe_conv = nn.Conv2d(config.embed_dim, config.embed_dim, 3, padding=1, bias=False)
        self.rpe_bn = nn.BatchNorm2d(config.embed_dim)
        if config.neuron == "plif":
            self.rpe_lif = SilentWeight()
        self.pooled = [pools == "1" for pools in config.pooling_stat]
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)

    def stage(self, index: int, x: Tensor) -> Tensor:
        """One of the first three stages: ``(T, B, C, H, W) -> (T, B, C', H', W')`` spikes."""
        x = self.get_submodule(f"proj_lif{STEM[index]}")(self._current(index, x))
        return folded(self.pool, x) if self.pooled[index] else x

    def stream(self, x: Tensor) -> Tensor:
        """Last stage and relative position: ``(T, B, C, H, W) -> (T, B, D, H', W')`` currents."""
        x = self._current(3, x)
        x = folded(self.pool, x) if self.pooled[3] else x
        return x + folded(lambda y: self.rpe_bn(self.rpe_conv(y)), self.get_submodule("proj_lif3")(x))

    def _current(self, index: int, x: Tensor) -> Tensor:
        conv, bn = (self.get_submodule(f"proj_{part}{STEM[index]}") for part in ("conv", "bn"))
        return folded(lambda y: bn(conv(y)), x)


class Attention(Mixing):
    """Queries masked by what keys and values have in common."""

    def __init__(self, config: Config, block: BlockConfig) -> None:
        neuron = NEURONS[config.neuron]
        super().__init__("conv", neuron)
        for name in "qkv":
            mix = PointwiseConv2d(config.embed_dim, block.attention_dim, bias=False)
            self.add(name, mix, block.attention_dim)
        self.talking_heads = nn.Conv1d(config.num_heads, config.num_heads, 1, bias=False)  # never used
        self.talking_heads_lif = neuron(threshold=MASK_THRESHOLD)
        self.add("proj", PointwiseConv2d(block.attention_dim, config.embed_dim), config.embed_dim, fires=False)
        self.shortcut_lif = neuron()
        if config.neuron == "plif":
            self.attn_lif = SilentWeight()
        self.num_heads, self.dvs_mode = config.num_heads, config.dvs_mode

    def forward(self, x: Tensor) -> Tensor:
        """``(T, B, D, H, W)`` stream to ``(T, B, D, N)`` currents."""
        side = x.shape[-2:]
        spikes = self.shortcut_lif(x).flatten(3)
        q, k, v = (self.fire(name, spikes) for name in "qkv")
        if self.dvs_mode:
            k, v = (_dilated(y.view(*y.shape[:3], *side)).flatten(3) for y in (k, v))
        kv = self._over_heads(k * v) if self.dvs_mode else k * v
        mask = self.talking_heads_lif(kv.sum(3, keepdim=True))
        out = self._over_heads(q * mask) if self.dvs_mode else q * mask
        return self.mix("proj", out)

    def _over_heads(self, x: Tensor) -> Tensor:
        """Dilate over tokens and the channels of a head: ``(T, B, C, N)``."""
        T, B, C, N = x.shape
        planes = x.view(T, B, self.num_heads, C // self.num_heads, N)
        return _dilated(planes).view(T, B, C, N)


def _dilated(x: Tensor) -> Tensor:
    """3 x 3 maximum over the last two of five dimensions."""
    return max_pool2d(x.flatten(0, 1), 3, stride=1, padding=1).view(x.shape)


class Block(nn.Module):
    """Attention and MLP, their currents added to the stream."""

    def __init__(self, config: Config, block: BlockConfig) -> None:
        super().__init__()
        self.attn = Attention(config, block)
        hidden = None if config.mlp_residual else block.mlp_dim
        self.mlp = CurrentMlp(config.embed_dim, hidden, neuron=NEURONS[config.neuron])

    def forward(self, x: Tensor) -> Tensor:
        """``(T, B, D, H, W)``."""
        tokens = x.flatten(3) + self.attn(x)
        out: Tensor = self.mlp(tokens).view(x.shape)
        return out


class SpikeDrivenTransformer(SpikingModel):
    """The network: stem, blocks, mean over tokens, a neuron, linear head, mean over time."""

    def __init__(self, config: Config) -> None:
        super().__init__(config.time_steps)
        self.patch_embed = Stem(config)
        self.block = nn.ModuleList(Block(config, block) for block in config.blocks)
        self.head_lif = NEURONS[config.neuron]()
        self.head = nn.Linear(config.embed_dim, config.num_classes)

    def classify(self, x: Tensor) -> Tensor:
        """``(T, B, D, H, W) -> (B, num_classes)``."""
        logits: Tensor = self.head(self.head_lif(x.flatten(3).mean(3))).mean(0)
        return logits

    def stages(self) -> tuple[Stage, ...]:
        stem = (
            Stage(
                f"stem.{i}",
                partial(self.patch_embed.stage, i),
                (f"patch_embed.proj_conv{suffix}", f"patch_embed.proj_bn{suffix}"),
            )
            for i, suffix in enumerate(STEM[:3])
        )
        last = tuple(f"patch_embed.{name}" for name in ("proj_conv3", "proj_bn3", "rpe_conv", "rpe_bn"))
        blocks = (Stage(f"block.{i}", block, (f"block.{i}",)) for i, block in enumerate(self.block))
        return (
            *stem,
            Stage("stem.3", self.patch_embed.stream, last),
            *blocks,
            Stage("head", self.classify, ("head",)),
        )


def recognise(shapes: Shapes) -> str | None:
    """By the unused ``talking_heads``; the variant by the image's channels and the number of classes."""
    if "block.0.attn.talking_heads.weight" not in shapes or "patch_embed.rpe_conv.weight" not in shapes:
        return None
    first, classes = shapes["patch_embed.proj_conv.weight"].shape[1], shapes["head.weight"].shape[0]
    if first == 2:
        return "gesture" if classes == 11 else "cifar10dvs"
    return "imagenet" if classes == 1000 else "cifar"


def infer(variant: str, shapes: Shapes, asked: Mapping[str, Value]) -> Config:
    """Read every width off the shapes; the heads off the unused ``talking_heads``."""

    def width(module: str) -> int:
        return shapes[f"{module}.weight"].shape[0]

    bases = [f"block.{i}" for i in range(count(shapes, "block"))]
    embed_dim = width("patch_embed.proj_conv3")
    hidden = [width(f"{base}.mlp.fc1_conv") for base in bases]
    return Config.model_validate(
        {
            "variant": variant,
            "in_channels": shapes["patch_embed.proj_conv.weight"].shape[1],
            "num_classes": width("head"),
            "stem": tuple(width(f"patch_embed.proj_conv{suffix}") for suffix in STEM[:3]),
            "embed_dim": embed_dim,
            "blocks": tuple(
                {"attention_dim": width(f"{base}.attn.q_conv"), "mlp_dim": dim}
                for base, dim in zip(bases, hidden, strict=True)
            ),
            "num_heads": width("block.0.attn.talking_heads"),
            "neuron": "plif" if "patch_embed.proj_lif.w" in shapes else "lif",
            "mlp_residual": all(dim == embed_dim for dim in hidden),
            **asked,
        }
    )


def _stem(suffix: str) -> Writer:
    return Writer(f"patch_embed.proj_conv{suffix}", f"patch_embed.proj_bn{suffix}")


RPE = Writer("patch_embed.rpe_conv", "patch_embed.rpe_bn")


def _writer(name: str, *, bias: bool) -> Writer:
    return Writer(f"{name}_conv", f"{name}_bn", bias)


def layers(config: Config) -> tuple[Layer, ...]:
    """Stem convolutions, the six mixings of each block, the head."""
    owners = (*(f"stem.{i}" for i in range(3)), "embedding")
    found = [
        layer(f"stem.{i}", _stem(suffix).module, _stem(suffix).norm, bias=False, group=owner)
        for i, (suffix, owner) in enumerate(zip(STEM, owners, strict=True))
    ]
    found.append(layer("stem.rpe", RPE.module, RPE.norm, bias=False, group="embedding"))
    for i in range(len(config.blocks)):
        base = f"block.{i}"
        attention = None if config.dvs_mode else f"{base}.attn"
        owned = {f"{base}.attn.{name}": attention for name in "qkv"}
        owned |= {f"{base}.attn.proj": "embedding"}
        owned |= {f"{base}.mlp.fc1": "embedding" if config.mlp_residual else f"{base}.mlp.fc1"}
        owned |= {f"{base}.mlp.fc2": "embedding"}
        found += [
            layer(name, f"{name}_conv", f"{name}_bn", bias=name[-2:] not in (".q", ".k", ".v"), group=owner)
            for name, owner in owned.items()
        ]
    return (*found, layer("head", "head", None, bias=True, group=None))


def groups(config: Config) -> tuple[ChannelGroup, ...]:
    """Stem stages; of each block queries, keys and values as one, and the MLP; the residual stream as ``embedding``."""
    stem = (
        group(f"stem.{i}", config.stem[i], f"stem.{i}", (_stem(a),), (_stem(b).module,))
        for i, (a, b) in enumerate(pairwise(STEM))
    )
    blocks = (found for i in range(len(config.blocks)) for found in _block_groups(config, i))
    return (*stem, *blocks, _embedding(config))


def _block_groups(config: Config, index: int) -> tuple[ChannelGroup, ...]:
    base, block = f"block.{index}", config.blocks[index]
    found = []
    if not config.dvs_mode:  # which couples the neighbouring channels of a head
        writers = [_writer(f"{base}.attn.{name}", bias=False) for name in "qkv"]
        readers = (f"{base}.attn.proj_conv",)
        found.append(group(f"{base}.attn", block.attention_dim, f"blocks.{index}.attention_dim", writers, readers))
    if not config.mlp_residual:
        name, readers = f"{base}.mlp.fc1", (f"{base}.mlp.fc2_conv",)
        found.append(group(name, block.mlp_dim, f"blocks.{index}.mlp_dim", (_writer(name, bias=True),), readers))
    return tuple(found)


def _embedding(config: Config) -> ChannelGroup:
    bases = [f"block.{i}" for i in range(len(config.blocks))]
    tied = ["mlp.fc1"] if config.mlp_residual else []
    writers = [_writer(f"{base}.{name}", bias=True) for base in bases for name in ("attn.proj", *tied, "mlp.fc2")]
    names = ("attn.q", "attn.k", "attn.v", "mlp.fc1", *(["mlp.fc2"] if config.mlp_residual else []))
    readers = [f"{base}.{name}_conv" for base in bases for name in names]
    return group(
        "embedding",
        config.embed_dim,
        "embed_dim",
        (_stem("3"), RPE, *writers),
        (RPE.module, *readers, "head"),
        scope="global",
    )


def unused(config: Config) -> frozenset[str]:
    """``talking_heads``, and the time constants of neurons that the forward pass does not have."""
    names = [f"block.{i}.attn.talking_heads.weight" for i in range(len(config.blocks))]
    if config.neuron == "plif":
        names += ["patch_embed.rpe_lif.w", *(f"block.{i}.attn.attn_lif.w" for i in range(len(config.blocks)))]
    return frozenset(names)


def preprocessing(config: Config) -> Preprocessing:
    """Of the public evaluation scripts; event frames are taken as they are."""
    size = config.image_size
    if config.variant == "imagenet":
        return imagenet(size, int(size / CROP_SHARE))
    if config.variant == "cifar":
        return cifar100(size) if config.num_classes == 100 else cifar10(size)
    return as_it_is(size)


FAMILY = Family(
    title="Spike-driven Transformer",
    paper="arXiv 2307.01694",
    source="github.com/BICLab/Spike-Driven-Transformer @ 3faa8227",
    config_type=Config,
    landmarks=("block.0.attn.talking_heads.weight",),
    recognise=recognise,
    asked={
        "time_steps": Asked(lambda variant, _: TIME_STEPS[variant], ("time_steps", "time_step", "T")),
        "image_size": Asked(lambda variant, _: IMAGE_SIZE[variant], ("img_size", "image_size", "input_size")),
        "pooling_stat": Asked(lambda variant, _: POOLING[variant]),
        "dvs_mode": Asked(lambda variant, _: variant == "cifar10dvs"),
    },
    infer=infer,
    build=SpikeDrivenTransformer,
    layers=layers,
    groups=groups,
    unused=unused,
    preprocessing=preprocessing,
)
