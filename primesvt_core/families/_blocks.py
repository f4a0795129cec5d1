"""Blocks of spiking self-attention and an MLP, as several families have them: widths, layers and channel groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from primesvt_core.families._base import Count, Producer, group, layer
from primesvt_core.types import ChannelGroup, Layer, Shapes


class BlockConfig(BaseModel):
    """Widths of one block."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    qk_dim: Count
    v_dim: Count
    mlp_dim: Count


@dataclass(frozen=True, kw_only=True)
class BlockNames:
    """What the layers of a block are called in the state dict, relative to the block.

    Attributes:
        attention: module of the attention: ``attn``.
        mlp: the two layers of the MLP: ``mlp.fc1``, ``mlp.fc2``.
        suffix: ending of a layer's name beside ``_bn``: ``conv`` or ``linear``.
        number_last: whether the MLP's are called ``mlp.fc_conv1``, ``mlp.fc_bn1``.
        qkv_bias: whether q, k and v have a bias; ``projection_bias`` whether the projection has. The MLP always does.
    """

    suffix: str
    attention: str = "attn"
    mlp: tuple[str, str] = ("mlp.fc1", "mlp.fc2")
    qkv_bias: bool = False
    projection_bias: bool = True
    number_last: bool = False

    def weight(self, layer: str) -> str:
        """Module of a layer's weight."""
        return self._part(layer, self.suffix)

    def norm(self, layer: str) -> str:
        """Module of a layer's BatchNorm."""
        return self._part(layer, "bn")

    def _part(self, layer: str, part: str) -> str:
        is_numbered = self.number_last and ".mlp." in layer
        return f"{layer[:-1]}_{part}{layer[-1]}" if is_numbered else f"{layer}_{part}"

    def is_biased(self, layer: str) -> bool:
        """Whether a layer has a bias."""
        if layer[-2:] in (".q", ".k", ".v"):
            return self.qkv_bias
        return self.projection_bias or not layer.endswith(".proj")

    def producer(self, layer: str) -> Producer:
        """A layer as a producer of channels."""
        return Producer(self.weight(layer), self.norm(layer), self.is_biased(layer))

    def producers(self, base: str) -> tuple[Producer, ...]:
        """What adds to the residual stream in a block."""
        return (self.producer(f"{base}.{self.attention}.proj"), self.producer(f"{base}.{self.mlp[1]}"))

    def consumers(self, base: str) -> tuple[str, ...]:
        """Modules that read the residual stream in a block."""
        layers = (*(f"{base}.{self.attention}.{name}" for name in "qkv"), f"{base}.{self.mlp[0]}")
        return tuple(self.weight(layer) for layer in layers)


def check_heads(blocks: Sequence[BlockConfig], num_heads: int) -> None:
    """Refuse heads that do not divide the widths.

    Raises:
        ValueError: naming the widths.
    """
    for block in blocks:
        if block.qk_dim % num_heads or block.v_dim % num_heads:
            raise ValueError(f"num_heads {num_heads} does not divide {block.qk_dim} and {block.v_dim}")


def count(shapes: Shapes, prefix: str) -> int:
    """Blocks in the list of modules at ``prefix``."""
    start = prefix + "."
    return 1 + max(int(name.removeprefix(start).split(".")[0]) for name in shapes if name.startswith(start))


def infer_block(shapes: Shapes, base: str, names: BlockNames) -> BlockConfig:
    """A block's widths."""

    def width(layer: str) -> int:
        return shapes[f"{names.weight(f'{base}.{layer}')}.weight"].shape[0]

    attention = names.attention
    return BlockConfig(qk_dim=width(f"{attention}.q"), v_dim=width(f"{attention}.v"), mlp_dim=width(names.mlp[0]))


def block_layers(base: str, names: BlockNames, stream: str) -> Iterator[Layer]:
    """The seven layers of a block; ``stream`` is the group of the residual stream."""
    attention = f"{base}.{names.attention}"
    owners = {
        f"{attention}.q": f"{attention}.qk",
        f"{attention}.k": f"{attention}.qk",
        f"{attention}.v": f"{attention}.v",
    }
    owners |= {f"{attention}.proj": stream, f"{base}.{names.mlp[0]}": f"{base}.{names.mlp[0]}"}
    owners[f"{base}.{names.mlp[1]}"] = stream
    for name, owner in owners.items():
        yield layer(name, names.weight(name), names.norm(name), bias=names.is_biased(name), group=owner)


def block_groups(base: str, path: str, block: BlockConfig, names: BlockNames, heads: int) -> tuple[ChannelGroup, ...]:
    """Queries with keys, values, and the MLP's hidden channels.

    Args:
        base: module of the block: ``block.0``.
        path: of its config: ``blocks.0``.
        block: its widths.
        names: of its layers.
        heads: over which queries, keys and values must stay even.
    """
    attention, hidden = f"{base}.{names.attention}", f"{base}.{names.mlp[0]}"
    q, k, v = (names.producer(f"{attention}.{name}") for name in "qkv")
    proj, fc2 = (names.weight(producer) for producer in (f"{attention}.proj", f"{base}.{names.mlp[1]}"))
    return (
        group(f"{attention}.qk", block.qk_dim, f"{path}.qk_dim", (q, k), parts=heads),
        group(f"{attention}.v", block.v_dim, f"{path}.v_dim", (v,), (proj,), parts=heads),
        group(hidden, block.mlp_dim, f"{path}.mlp_dim", (names.producer(hidden),), (fc2,)),
    )
