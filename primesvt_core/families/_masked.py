"""Spike-driven Transformers, whatever their layers are called: network, layers and channel groups.

A stem of four convolutions and a fifth as relative position, blocks of masked attention and an MLP on a stream of
membrane currents, a neuron, a linear head.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from pydantic import BaseModel, ConfigDict
from torch import nn

from primesvt_core.data import Preprocessing
from primesvt_core.families._base import Count, FamilyConfig, Producer, group, layer
from primesvt_core.families._blocks import count
from primesvt_core.families._recipes import cifar, for_colours, imagenet_cropped
from primesvt_core.layers.graph import Flow, Part, Signal
from primesvt_core.layers.model import SpikingModel
from primesvt_core.types import ChannelGroup, Layer, Shapes

CROP_SHARE = 0.95
"""The public evaluation crops ImageNet's images to this share of their side."""

RPE = Producer("patch_embed.rpe_conv", "patch_embed.rpe_bn")


class BlockConfig(BaseModel):
    """Widths of one block: queries, keys and values are one; the MLP's is the stream's where it has a residual."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    attention_dim: Count
    mlp_dim: Count


class MaskedConfig(FamilyConfig):
    """Widths of one.

    Attributes:
        mlp_residual: whether the MLP adds its hidden currents to the stream, as it does where it was built as wide as
            the stream; a flag of its own, since pruning may make the widths equal by accident.
    """

    stem: tuple[Count, Count, Count]
    embed_dim: Count
    blocks: tuple[BlockConfig, ...]
    mlp_residual: bool


@dataclass(frozen=True, kw_only=True)
class Names:
    """What the layers are called.

    Attributes:
        stem: the four convolutions with their BatchNorms.
        blocks: list of the blocks.
        mlp: patterns of the MLP's two layers and BatchNorms, from their number.
    """

    stem: tuple[Producer, ...]
    blocks: str
    mlp: tuple[str, str]

    def base(self, index: int) -> str:
        """A block."""
        return f"{self.blocks}.{index}"

    def attention(self, index: int, name: str) -> Producer:
        """``q``, ``k``, ``v`` or ``proj`` of a block."""
        base = f"{self.base(index)}.attn.{name}"
        return Producer(f"{base}_conv", f"{base}_bn", bias=name == "proj")

    def fc(self, index: int, number: int) -> Producer:
        """One of the two layers of a block's MLP."""
        module, bn = (f"{self.base(index)}.mlp.{pattern.format(number)}" for pattern in self.mlp)
        return Producer(module, bn, bias=True)


EARLY_STAGES = 3
"""Of a stem, before the one that begins the stream."""


class Stem(Part):
    """What a stem computes."""

    def stage(self, flow: Flow, index: int, x: Signal) -> Signal:
        """One of the first three stages: ``(T, B, C, H, W) -> (T, B, C', H', W')`` spikes."""
        raise NotImplementedError

    def stream(self, flow: Flow, x: Signal) -> Signal:
        """Last stage and relative position: ``(T, B, C, H, W) -> (T, B, D, H', W')`` currents."""
        raise NotImplementedError

    def define(self, flow: Flow, x: Signal) -> Signal:
        """All of them."""
        for index in range(EARLY_STAGES):
            x = self.stage(flow, index, x)
        return self.stream(flow, x)


class Block(Part):
    """Attention and MLP, their currents added to the stream."""

    def __init__(self, attention: nn.Module, mlp: nn.Module) -> None:
        super().__init__()
        self.attn, self.mlp = attention, mlp

    def define(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, D, H, W)``."""
        tokens = flow.add(flow.tokens(x), flow.through(x, self.attn))
        return flow.planes(flow.through(tokens, self.mlp), x)


class MaskedTransformer(SpikingModel):
    """The network: stem, blocks, mean over tokens, a neuron, linear head, mean over time."""

    def __init__(
        self, config: MaskedConfig, names: Names, stem: Stem, blocks: Iterable[Block], head_lif: nn.Module
    ) -> None:
        super().__init__(config.time_steps)
        self.names = names
        self.patch_embed = stem
        self.add_module(names.blocks, nn.ModuleList(blocks))
        self.head_lif = head_lif
        self.head = nn.Linear(config.embed_dim, config.num_classes)

    def define(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, C, H, W) -> (B, num_classes)``."""
        x = flow.through(x, self.patch_embed, *self.get_submodule(self.names.blocks).children())
        spikes = flow.fire(flow.apply("mean", lambda y: y.flatten(3).mean(3), x), self.head_lif)
        return flow.apply("logits", lambda y: self.head(y).mean(0), spikes, modules=(self.head,))


def infer_widths(shapes: Shapes, names: Names) -> dict[str, object]:
    """The fields of a config that every one has, but the variant."""

    def width(producer: Producer) -> int:
        return shapes[f"{producer.module}.weight"].shape[0]

    *stem, embed_dim = (width(producer) for producer in names.stem)
    blocks = [
        BlockConfig(attention_dim=width(names.attention(i, "q")), mlp_dim=width(names.fc(i, 1)))
        for i in range(count(shapes, names.blocks))
    ]
    return {
        "in_channels": shapes[f"{names.stem[0].module}.weight"].shape[1],
        "num_classes": shapes["head.weight"].shape[0],
        "stem": tuple(stem),
        "embed_dim": embed_dim,
        "blocks": tuple(blocks),
        "mlp_residual": all(block.mlp_dim == embed_dim for block in blocks),
    }


def masked_layers(config: MaskedConfig, names: Names, *, coupled: bool = False) -> Iterator[Layer]:
    """Stem convolutions, the six layers of each block, the head; other arguments as of `masked_groups`."""
    owners = (*(f"stem.{i}" for i in range(len(config.stem))), "embedding")
    for owner, name, producer in (
        *((owner, f"stem.{i}", producer) for i, (owner, producer) in enumerate(zip(owners, names.stem, strict=True))),
        ("embedding", "stem.rpe", RPE),
    ):
        yield _layer(name, producer, owner)
    for i in range(len(config.blocks)):
        base = names.base(i)
        for name in "qkv":
            yield _layer(f"{base}.attn.{name}", names.attention(i, name), None if coupled else f"{base}.attn")
        yield _layer(f"{base}.attn.proj", names.attention(i, "proj"), "embedding")
        hidden = "embedding" if config.mlp_residual else f"{base}.mlp.fc1"
        yield _layer(f"{base}.mlp.fc1", names.fc(i, 1), hidden)
        yield _layer(f"{base}.mlp.fc2", names.fc(i, 2), "embedding")
    yield layer("head", "head", bias=True, group=None)


def _layer(name: str, producer: Producer, owner: str | None) -> Layer:
    return layer(name, producer.module, producer.norm, bias=producer.bias, group=owner)


def masked_groups(config: MaskedConfig, names: Names, *, coupled: bool = False) -> tuple[ChannelGroup, ...]:
    """Stem stages; of each block queries, keys and values as one, and the MLP; the residual stream as ``embedding``.

    Args:
        config: with the widths.
        names: of the layers.
        coupled: whether the attention couples the channels of a head, so that none can go.
    """
    stem = (
        group(f"stem.{i}", config.stem[i], f"stem.{i}", (a,), (b.module,))
        for i, (a, b) in enumerate(pairwise(names.stem))
    )
    blocks = (found for i in range(len(config.blocks)) for found in _block_groups(config, names, i, coupled))
    return (*stem, *blocks, _embedding(config, names))


def _block_groups(config: MaskedConfig, names: Names, index: int, coupled: bool) -> Iterator[ChannelGroup]:
    base, path, block = names.base(index), f"blocks.{index}", config.blocks[index]
    if not coupled:
        producers = [names.attention(index, name) for name in "qkv"]
        consumers = (names.attention(index, "proj").module,)
        yield group(f"{base}.attn", block.attention_dim, f"{path}.attention_dim", producers, consumers)
    if not config.mlp_residual:
        fc1, fc2 = names.fc(index, 1), names.fc(index, 2)
        yield group(f"{base}.mlp.fc1", block.mlp_dim, f"{path}.mlp_dim", (fc1,), (fc2.module,))


def _embedding(config: MaskedConfig, names: Names) -> ChannelGroup:
    producers, consumers = [names.stem[-1], RPE], [RPE.module]
    for i in range(len(config.blocks)):
        fc1, fc2 = names.fc(i, 1), names.fc(i, 2)
        tied = config.mlp_residual  # then the hidden channels are the stream's
        producers += [names.attention(i, "proj"), *([fc1] if tied else []), fc2]
        consumers += [*(names.attention(i, name).module for name in "qkv"), fc1.module, *([fc2.module] if tied else [])]
    return group("embedding", config.embed_dim, "embed_dim", producers, (*consumers, "head"), scope="global")


def preprocessing(config: MaskedConfig) -> Preprocessing:
    """Of the authors' evaluation scripts; event frames and grey images are taken as they are."""
    recipes = {"imagenet": imagenet_cropped(CROP_SHARE, largest=math.inf), "cifar": cifar(config.num_classes)}
    return for_colours(config, recipes | {f"step_{name}": recipe for name, recipe in recipes.items()})
