"""QKFormer (Zhou et al., arXiv 2403.16552) as spikingjelly's own model zoo has it: ``qkformer_10_384``.

Reproduces any configuration of spikingjelly 2.0's ``QKFormer`` class, written from its description: names and shapes of
the state dict, numerics, and the order of operations. Projections of the attention are fused and have no bias,
convolutions of the patch embeddings have one; heads may differ from stage to stage; queries may mask channels instead
of tokens.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal

import torch
from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator
from torch import nn

from primesvt_core.data import Preprocessing
from primesvt_core.families._base import Count, Family, Hyperparameter, Producer, Value, group, layer
from primesvt_core.families._blocks import BlockConfig, check_heads
from primesvt_core.families._fused import USUAL, fused_groups, fused_layers, fused_widths, split_group, split_layers
from primesvt_core.families._recipes import cifar10, for_colours, imagenet_cropped
from primesvt_core.families._stages import (
    Block,
    Embedding,
    Ends,
    Staged,
    Unit,
    block_names,
    infer_embeddings,
    patch_embeddings,
    stream_groups,
)
from primesvt_core.families._zoo import (
    IMAGE_SIZE,
    NEURON_FIELDS,
    SIZE_NAMES,
    SOURCE,
    ZooConfig,
    variant_of,
)
from primesvt_core.layers.graph import Flow, Multiplies, Part, Signal
from primesvt_core.layers.mlp import Mlp
from primesvt_core.layers.pointwise import PointwiseConv1d
from primesvt_core.layers.self_attention import FusedSelfAttention
from primesvt_core.layers.token_attention import token_attention
from primesvt_core.types import ChannelGroup, Layer, Shapes

__all__ = ["FAMILY", "BlockConfig", "Config", "MaskedBlockConfig", "QKFormer"]

CROP_SHARE = 224 / 256
STAGES = (1, 2, 3)
MASKED = "qk_conv_bn"
"""Module of queries and keys in one, where queries mask keys."""

BUILDER = (384, 6)
"""Width and heads of the zoo's builder."""

CLASS_HEADS = (3, 6, 6)
"""Of its class, whose caller chooses the width."""


def _named(number: int, *, pooled: bool = False) -> Unit:
    return Unit(f"conv{number}", f"conv{number}", f"bn{number}", f"lif{number}", pooled)


_SHORTCUT = Unit("shortcut", "shortcut.0", "shortcut.1", "shortcut.2")
_LATER = Embedding(
    units=(_named(1, pooled=True), _named(2)), shortcut=_SHORTCUT, shortcut_from=0, stride=2, bias=True
)  # fmt: skip
EMBEDDINGS = (
    Embedding(
        units=(_named(1, pooled=True), _named(2, pooled=True), _named(3)), shortcut=_SHORTCUT, shortcut_from=1,
        stride=2, bias=True,
    ),
    _LATER,
    _LATER,
)  # fmt: skip


def _heads(value: object) -> object:
    """Heads of every stage, as one number where they are equal: 6, or 3,6,6."""
    parts = value if isinstance(value, list | tuple) else str(value).split(",")
    if len(parts) not in (1, len(STAGES)) or not all(str(part).strip().isdecimal() for part in parts):
        raise ValueError(f"num_heads {value!r} is neither one number nor one for each of {len(STAGES)} stages (3,6,6)")
    numbers = [int(part) for part in parts]
    return numbers[0] if len(set(numbers)) == 1 else ",".join(map(str, numbers))


class MaskedBlockConfig(BaseModel):
    """Widths of a block whose queries mask its keys; ``q_dim`` is None where they do so channel by channel."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    q_dim: Count | None
    k_dim: Count
    mlp_dim: Count

    @property
    def queries(self) -> int:
        """Channels of the queries."""
        return self.k_dim if self.q_dim is None else self.q_dim


class Config(ZooConfig):
    """One QKFormer of the zoo.

    Attributes:
        patch_embeds: of every patch embedding, the widths of all its convolutions but the last one.
        streams: widths of the residual streams, one a stage.
        masked_stages: blocks of the first two stages.
        blocks: of the last stage, with self-attention.
        num_heads: of every stage, or of each, with commas.
        qka_type: what the queries mask: tokens of a head, or channels.
    """

    variant: Literal["imagenet", "cifar", "dvs"]
    patch_embeds: tuple[tuple[Count, ...], ...]
    streams: tuple[Count, ...]
    masked_stages: tuple[tuple[MaskedBlockConfig, ...], ...]
    blocks: tuple[BlockConfig, ...]
    num_heads: Annotated[int | str, BeforeValidator(_heads)]
    qka_type: Literal["token", "channel"]

    def heads(self, stage: int) -> int:
        """Heads of a stage, counted from 0."""
        return self.num_heads if isinstance(self.num_heads, int) else int(self.num_heads.split(",")[stage])

    @model_validator(mode="after")
    def _heads_divide_widths(self) -> Config:
        if not all(self.heads(stage) for stage in range(len(STAGES))):
            raise ValueError(f"num_heads {self.num_heads} has a stage without heads")
        check_heads(self.blocks, self.heads(len(STAGES) - 1))
        for stage, blocks in enumerate(self.masked_stages):
            for block in blocks:
                if (block.q_dim is None) != (self.qka_type == "channel"):
                    raise ValueError(f"a width of its own for queries, {block.q_dim}, does not go with {self.qka_type}")
                if block.q_dim is not None and (block.q_dim % self.heads(stage) or block.k_dim % self.heads(stage)):
                    raise ValueError(f"num_heads {self.num_heads} does not divide {block.q_dim} and {block.k_dim}")
        return self


class Masking(Part):
    """Keys, at the tokens that enough queries of a head fire at; or those of the channels whose queries fire enough."""

    def __init__(self, config: Config, width: int, block: MaskedBlockConfig, num_heads: int) -> None:
        super().__init__()
        rows = block.queries + block.k_dim
        self.qk_conv_bn = nn.Sequential(PointwiseConv1d(width, rows, bias=False), nn.BatchNorm1d(rows))
        self.qk_lif = config.make_inner_neuron()
        self.attn_lif = config.make_attention_neuron()
        self.proj_conv_bn = nn.Sequential(PointwiseConv1d(block.k_dim, width, bias=False), nn.BatchNorm1d(width))
        self.proj_lif = config.make_inner_neuron()
        self.rows, self.num_heads, self.by_channel = (block.queries, block.k_dim), num_heads, block.q_dim is None

    def define(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, D, N)`` to spikes of the same shape."""
        q, k = flow.split(flow.fire(flow.run(x, self.qk_conv_bn), self.qk_lif), self.rows)
        if self.by_channel:
            mask = flow.fire(flow.apply("total", lambda y: y.sum(3, keepdim=True), q), self.attn_lif)
            masked = flow.apply("masked", torch.mul, mask, k, multiplies=Multiplies(place=1))
        else:
            masked = token_attention(flow, q, k, self.num_heads, self.attn_lif)
        return flow.fire(flow.run(masked, self.proj_conv_bn), self.proj_lif)


class QKFormer(Staged):
    """The network."""

    def __init__(self, config: Config) -> None:
        super().__init__(
            config.time_steps,
            patch_embeddings(
                config.in_channels, config.streams, config.patch_embeds, EMBEDDINGS, config.make_neuron
            ),
            [
                [self._block(config, stage, block) for block in blocks]
                for stage, blocks in enumerate(_stages(config))
            ],
            nn.Linear(config.streams[-1], config.num_classes),
        )  # fmt: skip

    @staticmethod
    def _block(config: Config, stage: int, block: MaskedBlockConfig | BlockConfig) -> Block:
        width, heads = config.streams[stage], config.heads(stage)
        mlp = Mlp(width, block.mlp_dim, pointwise=PointwiseConv1d, suffix=None, neuron=config.make_neuron)
        if isinstance(block, MaskedBlockConfig):
            return Block("attn", Masking(config, width, block, heads), mlp)
        attention = FusedSelfAttention(
            width, block.qk_dim, block.v_dim, num_heads=heads, neuron=config.make_inner_neuron,
            attention_neuron=config.make_attention_neuron,
        )  # fmt: skip
        return Block("attn", attention, mlp)


def _stages(config: Config) -> tuple[Sequence[MaskedBlockConfig | BlockConfig], ...]:
    return (*config.masked_stages, config.blocks)


def identify(shapes: Shapes) -> str | None:
    """By the names of patch embeddings and blocks, whose MLPs see tokens; the variant by image channels and classes."""
    if "patch_embed1.shortcut.0.weight" not in shapes or "patch_embed3.conv2.weight" not in shapes:
        return None
    mlps = [shapes[name] for n in STAGES if (name := f"stage{n}.0.mlp.fc1.weight") in shapes]
    if not mlps or "head.weight" not in shapes or len(mlps[0].shape) != 3:  # Max-Former's see images
        return None
    return variant_of(shapes["patch_embed1.conv1.weight"].shape[1], shapes["head.weight"].shape[0])


def infer(variant: str, shapes: Shapes, values: Mapping[str, Value]) -> Config:
    """Read every width off the shapes."""
    by_channel = values["qka_type"] == "channel"

    def masked(base: str) -> MaskedBlockConfig:
        k_dim = shapes[f"{base}.attn.proj_conv_bn.0.weight"].shape[1]
        q_dim = None if by_channel else shapes[f"{base}.attn.qk_conv_bn.0.weight"].shape[0] - k_dim
        return MaskedBlockConfig(q_dim=q_dim, k_dim=k_dim, mlp_dim=shapes[f"{base}.mlp.fc1.weight"].shape[0])

    def attending(base: str) -> BlockConfig:
        qk_dim, v_dim = fused_widths(shapes, f"{base}.attn")
        return BlockConfig(qk_dim=qk_dim, v_dim=v_dim, mlp_dim=shapes[f"{base}.mlp.fc1.weight"].shape[0])

    *first, last = block_names(shapes, len(STAGES))
    return Config.model_validate(
        {
            "variant": variant,
            **infer_embeddings(EMBEDDINGS, shapes),
            "masked_stages": tuple(tuple(masked(base) for base in stage) for stage in first),
            "blocks": tuple(attending(base) for base in last),
            **values,
        }
    )


def _mlp(base: str) -> tuple[Producer, Producer]:
    """The two layers of a block's MLP."""
    fc1, fc2 = (Producer(f"{base}.mlp.fc{n}", f"{base}.mlp.bn{n}", bias=True) for n in (1, 2))
    return fc1, fc2


def layers(config: Config) -> tuple[Layer, ...]:
    """Patch embeddings and blocks in forward order, fused projections apart; the head."""
    found: list[Layer] = []
    for n, (embedding, blocks) in enumerate(zip(EMBEDDINGS, _stages(config), strict=True), start=1):
        found += embedding.layers(f"patch_embed{n}", f"stream.{n}")
        for i, block in enumerate(blocks):
            found += _block_layers(f"stage{n}.{i}", block, f"stream.{n}")
    return (*found, layer("head", "head", bias=True, group=None))


def _block_layers(base: str, block: MaskedBlockConfig | BlockConfig, stream: str) -> Iterator[Layer]:
    attention = f"{base}.attn"
    if isinstance(block, BlockConfig):
        yield from fused_layers(attention, block.qk_dim, block.v_dim, stream)
    else:
        q, k = ("qk", "qk") if block.q_dim is None else ("q", "k")
        parts = {
            f"{attention}.q": (block.queries, f"{attention}.{q}"),
            f"{attention}.k": (block.k_dim, f"{attention}.{k}"),
        }
        yield from split_layers(f"{attention}.{MASKED}", parts)
        proj = USUAL.projecting(attention)
        yield layer(f"{attention}.proj", proj.module, proj.norm, bias=False, group=stream)
    for producer, owner in zip(_mlp(base), (f"{base}.mlp.fc1", stream), strict=True):
        yield layer(producer.module, producer.module, producer.norm, bias=True, group=owner)


def groups(config: Config) -> tuple[ChannelGroup, ...]:
    """Inside patch embeddings and blocks, then the residual stream of every stage."""
    found: list[ChannelGroup] = []
    for n, embedding in enumerate(EMBEDDINGS):
        found += embedding.groups(f"patch_embed{n + 1}", f"patch_embeds.{n}", config.patch_embeds[n])
    for stage, blocks in enumerate(_stages(config)):
        for i, block in enumerate(blocks):
            is_last = stage + 1 == len(EMBEDDINGS)
            path = f"blocks.{i}" if is_last else f"masked_stages.{stage}.{i}"
            found += _block_groups(f"stage{stage + 1}.{i}", path, block, config.heads(stage))
    ends = [[_ends(f"stage{n}.{i}", b) for i, b in enumerate(s)] for n, s in enumerate(_stages(config), start=1)]
    return (*found, *stream_groups(config.streams, EMBEDDINGS, ends))


def _block_groups(base: str, path: str, block: MaskedBlockConfig | BlockConfig, heads: int) -> Iterator[ChannelGroup]:
    attention, (fc1, fc2) = f"{base}.attn", _mlp(base)
    fused, proj = f"{attention}.{MASKED}", (USUAL.projecting(attention).module,)
    if isinstance(block, BlockConfig):
        yield from fused_groups(attention, path, block.qk_dim, block.v_dim, heads)
    elif block.q_dim is None:  # a query's spikes let through the key of its own channel
        yield split_group(f"{attention}.qk", block.k_dim, f"{path}.k_dim", fused, (0, block.k_dim), proj)
    else:
        yield split_group(f"{attention}.q", block.q_dim, f"{path}.q_dim", fused, (0,), parts=heads)
        yield split_group(f"{attention}.k", block.k_dim, f"{path}.k_dim", fused, (block.q_dim,), proj, parts=heads)
    yield group(fc1.module, block.mlp_dim, f"{path}.mlp_dim", (fc1,), (fc2.module,))


def _ends(base: str, block: MaskedBlockConfig | BlockConfig) -> Ends:
    attention, (fc1, fc2) = f"{base}.attn", _mlp(base)
    fused = USUAL.fused if isinstance(block, BlockConfig) else MASKED
    return Ends((USUAL.projecting(attention), fc2), (f"{attention}.{fused}.0", fc1.module))


def preprocessing(config: Config) -> Preprocessing:
    """Of QKFormer's evaluation scripts; event frames and grey images are taken as they are."""
    return for_colours(config, {"imagenet": imagenet_cropped(CROP_SHARE), "cifar": cifar10})


def _default_heads(_variant: str, shapes: Shapes) -> Value:
    """The builder's at its width; its class's at any other that they divide."""
    D = shapes["head.weight"].shape[1]
    if BUILDER[0] == D:
        return BUILDER[1]
    fits = all(width % heads == 0 for width, heads in zip((D // 4, D // 2, D), CLASS_HEADS, strict=True))
    return ",".join(map(str, CLASS_HEADS)) if fits else math.gcd(D // 4, 8)


FAMILY = Family(
    title="QKFormer (spikingjelly)",
    paper="arXiv 2403.16552",
    source=f"{SOURCE}.qkformer",
    config_type=Config,
    signature_keys=("patch_embed3.shortcut.0.weight", "stage1.0.attn.qk_conv_bn.0.weight"),
    identify=identify,
    hyperparameters={
        "time_steps": Hyperparameter(lambda *_: 4),
        "num_heads": Hyperparameter(_default_heads, stages=len(STAGES)),
        "image_size": Hyperparameter(lambda variant, _: IMAGE_SIZE[variant], SIZE_NAMES),
        "qka_type": Hyperparameter(lambda *_: "token"),
        **NEURON_FIELDS,
    },
    infer=infer,
    build=QKFormer,
    layers=layers,
    groups=groups,
    preprocessing=preprocessing,
    class_rule=lambda _: "plain",
)
