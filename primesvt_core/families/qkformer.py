"""QKFormer (Zhou et al., arXiv 2403.16552): token attention of queries and keys, then spiking self-attention.

Reproduces the ImageNet, CIFAR and DVS models of github.com/zhouchenlin2096/QKFormer at commit c2a00e8e (MIT), written
from their description: names and shapes of the state dict, numerics, and the order of operations.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator
from torch import Tensor, nn

from primesvt_core.data import Preprocessing
from primesvt_core.families._base import Asked, Count, Family, FamilyConfig, Value, Writer, group, layer
from primesvt_core.families._blocks import (
    BlockConfig,
    BlockNames,
    block_groups,
    block_layers,
    check_heads,
    count,
    infer_block,
)
from primesvt_core.families._recipes import as_it_is, cifar10, imagenet_cropped
from primesvt_core.layers.folding import folded
from primesvt_core.layers.mixing import Mixing, Mlp
from primesvt_core.layers.model import SpikingModel, Stage
from primesvt_core.layers.neurons import lif
from primesvt_core.layers.pointwise import PointwiseConv1d
from primesvt_core.layers.self_attention import ATTENTION_THRESHOLD, SelfAttention
from primesvt_core.types import ChannelGroup, Layer, Shapes

__all__ = ["FAMILY", "Config", "QKFormer", "TokenBlockConfig"]

CROP_SHARE = 224 / 256
COLOURS = 3


class TokenBlockConfig(BaseModel):
    """Widths of a block with token attention, whose queries and keys are independent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    q_dim: int
    k_dim: int
    mlp_dim: int


class Config(FamilyConfig):
    """One QKFormer.

    Attributes:
        patch_embeds: of every patch embedding, the widths of all its convolutions but the last one.
        streams: widths of the residual streams, one a stage.
        token_stages: blocks of the stages with token attention.
        blocks: of the last stage, with self-attention.
        compat_batch_leak: whether the membrane of the last stage's projection is carried from image to image of a
            batch, as a slip of the public code does; its results then depend on what else is in a batch.
    """

    variant: Literal["imagenet", "cifar", "dvs"]
    patch_embeds: tuple[tuple[int, ...], ...]
    streams: tuple[int, ...]
    token_stages: tuple[tuple[TokenBlockConfig, ...], ...]
    blocks: tuple[BlockConfig, ...]
    num_heads: Count
    compat_batch_leak: bool

    @model_validator(mode="after")
    def _heads_divide_widths(self) -> Config:
        check_heads(self.blocks, self.num_heads)
        for block in (block for stage in self.token_stages for block in stage):
            if block.q_dim % self.num_heads or block.k_dim % self.num_heads:
                raise ValueError(f"num_heads {self.num_heads} does not divide {block.q_dim} and {block.k_dim}")
        return self


@dataclass(frozen=True)
class Embedding:
    """One patch embedding: its convolutions and which of them pool; where its shortcut begins, and its stride."""

    steps: tuple[tuple[str, bool], ...]
    shortcut_from: int
    stride: int


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How a variant names and lays out its layers; ``num_heads`` where the public code forces them."""

    embeddings: tuple[Embedding, ...]
    attention: str
    mlp: tuple[str, str]
    num_heads: int | None
    image_size: int

    @property
    def names(self) -> BlockNames:
        """What the layers of the last stage's blocks are called."""
        first, second = self.mlp
        return BlockNames(mixer="conv", attention=self.attention, mlp=(f"mlp.{first}", f"mlp.{second}"))


_LATER = Embedding((("proj3", True), ("proj4", False)), 0, 2)
_LATER_CIFAR = Embedding((("proj3", False), ("proj4", True)), 0, 2)
DIALECTS = {
    "imagenet": Dialect(
        embeddings=(Embedding((("proj", True), ("proj1", True), ("proj2", False)), 1, 2), _LATER, _LATER),
        attention="attn", mlp=("fc1", "fc2"), num_heads=None, image_size=224,
    ),
    "cifar": Dialect(
        embeddings=(Embedding((("proj", False), ("proj1", False)), 1, 1), _LATER_CIFAR, _LATER_CIFAR),
        attention="ssa", mlp=("mlp1", "mlp2"), num_heads=8, image_size=32,
    ),
    "dvs": Dialect(
        embeddings=(
            Embedding((("proj", False), ("proj1", True), ("proj2", True), ("proj3", True)), 2, 4),
            Embedding((("proj", False), ("proj4", True)), 0, 2),
        ),
        attention="ssa", mlp=("mlp1", "mlp2"), num_heads=16, image_size=128,
    ),
}  # fmt: skip


class PatchEmbedding(nn.Module):
    """Convolutions with BatchNorm, perhaps pooling, and neurons; a strided shortcut is added to the last spikes."""

    def __init__(self, source: int, inner: Sequence[int], target: int, embedding: Embedding) -> None:
        super().__init__()
        self.embedding = embedding
        widths = (source, *inner, target)
        for (name, _), (before, after) in zip(embedding.steps, pairwise(widths), strict=True):
            self._add(name, nn.Conv2d(before, after, 3, padding=1, bias=False), after)
        start = widths[embedding.shortcut_from]
        self._add("proj_res", nn.Conv2d(start, target, 1, stride=embedding.stride, bias=False), target)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)

    def _add(self, name: str, conv: nn.Module, width: int) -> None:
        self.add_module(f"{name}_conv", conv)
        self.add_module(f"{name}_bn", nn.BatchNorm2d(width))
        self.add_module(f"{name}_lif", lif())

    def _fire(self, name: str, x: Tensor, *, pooled: bool = False) -> Tensor:
        conv, bn, fire = (self.get_submodule(f"{name}_{part}") for part in ("conv", "bn", "lif"))
        spikes: Tensor = fire(folded(lambda y: self.pool(bn(conv(y))) if pooled else bn(conv(y)), x))
        return spikes

    def forward(self, x: Tensor) -> Tensor:
        """``(T, B, C, H, W) -> (T, B, D, H', W')`` integers."""
        start = x
        for index, (name, pooled) in enumerate(self.embedding.steps):
            start = x if index == self.embedding.shortcut_from else start
            x = self._fire(name, x, pooled=pooled)
        return x + self._fire("proj_res", start)


class TokenAttention(Mixing):
    """Keys, at the tokens that enough queries of a head fire at."""

    def __init__(self, width: int, block: TokenBlockConfig, num_heads: int) -> None:
        super().__init__("conv")
        self.add("q", PointwiseConv1d(width, block.q_dim, bias=False), block.q_dim)
        self.add("k", PointwiseConv1d(width, block.k_dim, bias=False), block.k_dim)
        self.attn_lif = lif(threshold=ATTENTION_THRESHOLD)
        self.add("proj", PointwiseConv1d(block.k_dim, width), width)
        self.num_heads = num_heads

    def forward(self, x: Tensor) -> Tensor:
        q, k = (y.view(*y.shape[:2], self.num_heads, -1, y.shape[3]) for y in (self.fire("q", x), self.fire("k", x)))
        mask = self.attn_lif(q.sum(3, keepdim=True))
        return self.fire("proj", (mask * k).flatten(2, 3))


class LeakingAttention(SelfAttention):
    """The same with the public code's slip: the last neuron takes the batch for more time steps."""

    def forward(self, x: Tensor) -> Tensor:
        currents = self.attend(x)
        return self.spike("proj", currents.flatten(0, 1).unsqueeze(1)).view(currents.shape)


class Block(nn.Module):
    """Attention and MLP, their spikes added to the stream of integers."""

    def __init__(self, name: str, attention: nn.Module, mlp: nn.Module) -> None:
        super().__init__()
        self.attention = name
        self.add_module(name, attention)
        self.mlp = mlp

    def forward(self, x: Tensor) -> Tensor:
        """``(T, B, D, H, W)``."""
        tokens = x.flatten(3)
        tokens = tokens + self.get_submodule(self.attention)(tokens)
        out: Tensor = tokens + self.mlp(tokens)
        return out.view(x.shape)


class QKFormer(SpikingModel):
    """The network: patch embeddings and stages by turns, mean over tokens and time, linear head."""

    def __init__(self, config: Config) -> None:
        super().__init__(config.time_steps)
        dialect = DIALECTS[config.variant]
        widths = (config.in_channels, *config.streams)
        for n, embedding in enumerate(dialect.embeddings):
            patches = PatchEmbedding(widths[n], config.patch_embeds[n], widths[n + 1], embedding)
            self.add_module(f"patch_embed{n + 1}", patches)
        stages: tuple[Sequence[TokenBlockConfig | BlockConfig], ...] = (*config.token_stages, config.blocks)
        for n, (width, blocks) in enumerate(zip(config.streams, stages, strict=True), start=1):
            self.add_module(f"stage{n}", nn.ModuleList(self._block(config, dialect, width, block) for block in blocks))
        self.head = nn.Linear(config.streams[-1], config.num_classes)
        self.counts = [*map(len, config.token_stages), len(config.blocks)]

    @staticmethod
    def _block(config: Config, dialect: Dialect, width: int, block: TokenBlockConfig | BlockConfig) -> Block:
        mlp = Mlp(width, block.mlp_dim, names=dialect.mlp)
        if isinstance(block, TokenBlockConfig):
            return Block("tssa", TokenAttention(width, block, config.num_heads), mlp)
        kind = LeakingAttention if config.compat_batch_leak else SelfAttention
        return Block(dialect.attention, kind(width, block.qk_dim, block.v_dim, num_heads=config.num_heads), mlp)

    def classify(self, x: Tensor) -> Tensor:
        """``(T, B, D, H, W) -> (B, num_classes)``."""
        logits: Tensor = self.head(x.flatten(3).mean(3).mean(0))
        return logits

    def stages(self) -> tuple[Stage, ...]:
        names: list[str] = []
        for n, blocks in enumerate(self.counts):
            names += [f"patch_embed{n + 1}", *(f"stage{n + 1}.{i}" for i in range(blocks))]
        body = (Stage(name, self.get_submodule(name), (name,)) for name in names)
        return (*body, Stage("head", self.classify, ("head",)))


def recognise(shapes: Shapes) -> str | None:
    """By its token attention; the variant by what the self-attention is called, and where it is."""
    if "stage1.0.tssa.q_conv.weight" not in shapes:
        return None
    marks = {"imagenet": "stage3.0.attn", "cifar": "stage3.0.ssa", "dvs": "stage2.0.ssa"}
    return next((variant for variant, mark in marks.items() if f"{mark}.q_conv.weight" in shapes), None)


def infer(variant: str, shapes: Shapes, asked: Mapping[str, Value]) -> Config:
    """Read every width off the shapes."""
    dialect = DIALECTS[variant]

    def width(module: str) -> int:
        return shapes[f"{module}_conv.weight"].shape[0]

    def token_block(base: str) -> TokenBlockConfig:
        mlp = width(f"{base}.mlp.{dialect.mlp[0]}")
        return TokenBlockConfig(q_dim=width(f"{base}.tssa.q"), k_dim=width(f"{base}.tssa.k"), mlp_dim=mlp)

    last = f"stage{len(dialect.embeddings)}"
    embeddings = [
        [width(f"patch_embed{n}.{name}") for name, _ in embedding.steps]
        for n, embedding in enumerate(dialect.embeddings, start=1)
    ]
    return Config.model_validate(
        {
            "variant": variant,
            "in_channels": shapes["patch_embed1.proj_conv.weight"].shape[1],
            "num_classes": shapes["head.weight"].shape[0],
            "patch_embeds": tuple(tuple(widths[:-1]) for widths in embeddings),
            "streams": tuple(widths[-1] for widths in embeddings),
            "token_stages": tuple(
                tuple(token_block(f"stage{n}.{i}") for i in range(count(shapes, f"stage{n}")))
                for n in range(1, len(embeddings))
            ),
            "blocks": tuple(infer_block(shapes, f"{last}.{i}", dialect.names) for i in range(count(shapes, last))),
            **asked,
        }
    )


def _writer(module: str, *, bias: bool = False) -> Writer:
    return Writer(f"{module}_conv", f"{module}_bn", bias)


def layers(config: Config) -> tuple[Layer, ...]:
    """Patch embeddings and blocks in forward order, the head."""
    dialect = DIALECTS[config.variant]
    found: list[Layer] = []
    stages = [*config.token_stages, config.blocks]
    for n, (embedding, blocks) in enumerate(zip(dialect.embeddings, stages, strict=True), start=1):
        stream, base = f"stream.{n}", f"patch_embed{n}"
        *inner, last = (f"{base}.{name}" for name, _ in embedding.steps)
        owned = {name: name for name in inner} | {last: stream, f"{base}.proj_res": stream}
        found += [layer(name, f"{name}_conv", f"{name}_bn", bias=False, group=owner) for name, owner in owned.items()]
        for i in range(len(blocks)):
            is_last = n == len(stages)
            base = f"stage{n}.{i}"
            found += block_layers(base, dialect.names, stream) if is_last else _token_layers(base, dialect, stream)
    return (*found, layer("head", "head", bias=True, group=None))


def _token_layers(base: str, dialect: Dialect, stream: str) -> Iterator[Layer]:
    hidden, out = (f"{base}.mlp.{name}" for name in dialect.mlp)
    owners = {f"{base}.tssa.q": f"{base}.tssa.q", f"{base}.tssa.k": f"{base}.tssa.k", f"{base}.tssa.proj": stream}
    for name, owner in (owners | {hidden: hidden, out: stream}).items():
        yield layer(name, f"{name}_conv", f"{name}_bn", bias=name[-2:] not in (".q", ".k"), group=owner)


def groups(config: Config) -> tuple[ChannelGroup, ...]:
    """Inside patch embeddings and blocks, then the residual stream of every stage."""
    dialect = DIALECTS[config.variant]
    found: list[ChannelGroup] = []
    for n, embedding in enumerate(dialect.embeddings):
        found += _embedding_groups(config, n, embedding)
    for s, stage in enumerate(config.token_stages):
        for i, block in enumerate(stage):
            found += _token_groups(f"stage{s + 1}.{i}", f"token_stages.{s}.{i}", block, dialect, config.num_heads)
    last = f"stage{len(config.streams)}"
    for i, widths in enumerate(config.blocks):
        found += block_groups(f"{last}.{i}", f"blocks.{i}", widths, dialect.names, config.num_heads)
    return (*found, *(_stream(config, dialect, n) for n in range(len(config.streams))))


def _embedding_groups(config: Config, n: int, embedding: Embedding) -> Iterator[ChannelGroup]:
    base = f"patch_embed{n + 1}"
    for index, ((name, _), (following, _)) in enumerate(pairwise(embedding.steps)):
        readers = [f"{base}.{following}_conv"]
        if embedding.shortcut_from == index + 1:
            readers.append(f"{base}.proj_res_conv")
        size, path = config.patch_embeds[n][index], f"patch_embeds.{n}.{index}"
        yield group(f"{base}.{name}", size, path, (_writer(f"{base}.{name}"),), readers)


def _token_groups(
    base: str, path: str, block: TokenBlockConfig, dialect: Dialect, heads: int
) -> Iterator[ChannelGroup]:
    q, k, hidden = f"{base}.tssa.q", f"{base}.tssa.k", f"{base}.mlp.{dialect.mlp[0]}"
    yield group(q, block.q_dim, f"{path}.q_dim", (_writer(q),), parts=heads)
    yield group(k, block.k_dim, f"{path}.k_dim", (_writer(k),), (f"{base}.tssa.proj_conv",), parts=heads)
    readers = (f"{base}.mlp.{dialect.mlp[1]}_conv",)
    yield group(hidden, block.mlp_dim, f"{path}.mlp_dim", (_writer(hidden, bias=True),), readers)


def _stream(config: Config, dialect: Dialect, n: int) -> ChannelGroup:
    """Stage ``n``'s stream, from its patch embedding to the next one's first convolution and shortcut, or the head."""
    is_last = n + 1 == len(config.streams)
    last_step = dialect.embeddings[n].steps[-1][0]
    writers = [_writer(f"patch_embed{n + 1}.{name}") for name in (last_step, "proj_res")]
    readers: list[str] = []
    blocks = config.blocks if is_last else config.token_stages[n]
    for base in (f"stage{n + 1}.{i}" for i in range(len(blocks))):
        if is_last:
            writers += dialect.names.writers(base)
            readers += dialect.names.readers(base)
        else:
            hidden, out = (f"{base}.mlp.{name}" for name in dialect.mlp)
            writers += [_writer(f"{base}.tssa.proj", bias=True), _writer(out, bias=True)]
            readers += [f"{base}.tssa.q_conv", f"{base}.tssa.k_conv", f"{hidden}_conv"]
    following = f"patch_embed{n + 2}"
    first = "" if is_last else dialect.embeddings[n + 1].steps[0][0]
    readers += ["head"] if is_last else [f"{following}.{first}_conv", f"{following}.proj_res_conv"]
    return group(f"stream.{n + 1}", config.streams[n], f"streams.{n}", writers, readers, scope="global")


def preprocessing(config: Config) -> Preprocessing:
    """Of the public evaluation scripts; event frames are taken as they are."""
    if config.variant == "imagenet":
        return imagenet_cropped(config.image_size, CROP_SHARE)
    return (cifar10 if config.in_channels == COLOURS else as_it_is)(config.image_size)


def _default_heads(variant: str, shapes: Shapes) -> int:
    D = shapes["head.weight"].shape[1]
    return DIALECTS[variant].num_heads or {384: 6, 512: 8, 768: 12}.get(D) or math.gcd(D, 8)


FAMILY = Family(
    title="QKFormer",
    paper="arXiv 2403.16552",
    source="github.com/zhouchenlin2096/QKFormer @ c2a00e8e",
    config_type=Config,
    landmarks=("stage1.0.tssa.q_conv.weight", "patch_embed1.proj_res_conv.weight"),
    recognise=recognise,
    asked={
        "time_steps": Asked(lambda variant, _: 16 if variant == "dvs" else 4, ("time_steps", "time_step", "T")),
        "num_heads": Asked(_default_heads, ("num_heads", "heads")),
        "image_size": Asked(lambda variant, _: DIALECTS[variant].image_size, ("img_size", "image_size", "input_size")),
        "compat_batch_leak": Asked(lambda _variant, _shapes: False),
    },
    infer=infer,
    build=QKFormer,
    layers=layers,
    groups=groups,
    preprocessing=preprocessing,
)
