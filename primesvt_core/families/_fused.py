"""Projections that are fused in one, the output channels of one after those of another: the layers and groups of each.

Such a projection is a module with the convolution as ``0`` and the BatchNorm as ``1``; it has no bias.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from primesvt_core.families._base import Producer, columns, layer, norm, rows
from primesvt_core.types import ChannelGroup, Layer, Shapes


def split_layers(fused: str, parts: Mapping[str, tuple[int, str]]) -> Iterator[Layer]:
    """A layer for every projection in ``fused``: by its name its output channels, and the group that they belong to."""
    whole = layer(fused, f"{fused}.0", f"{fused}.1", bias=False, group=None)
    *shared, _batches = whole.tensors
    for index, (name, (size, owner)) in enumerate(parts.items()):
        tensors = tuple(shared) if index else whole.tensors  # the counter of batches is one for all: the first's
        yield replace(whole, name=name, tensors=tensors, group=owner, rows=size)


def split_group(
    name: str,
    size: int,
    width: str,
    fused: str,
    offsets: Iterable[int],
    consumers: Iterable[str] = (),
    *,
    parts: int = 1,
) -> ChannelGroup:
    """The group of the channels that begin at each of ``offsets`` in ``fused``; other arguments as of `group`."""
    conv, bn, consumers = f"{fused}.0", f"{fused}.1", tuple(consumers)
    places = ((*rows(conv, bias=False, offset=offset), *norm(bn, offset=offset)) for offset in offsets)
    return ChannelGroup(
        name=name,
        size=size,
        width=width,
        slices=(*(piece for place in places for piece in place), *columns(*consumers)),
        producers=(f"{conv}.weight",),
        silencers=(bn,),
        consumers=tuple(f"{consumer}.weight" for consumer in consumers),
        parts=parts,
        min_size=parts,
    )


@dataclass(frozen=True)
class FusedNames:
    """What queries, keys and values in one, and their projection, are called; whether the projection has a bias."""

    fused: str = "qkv_conv_bn"
    projection: str = "proj_conv_bn"
    bias: bool = False

    def projecting(self, base: str) -> Producer:
        """The projection of the attention at ``base``."""
        return Producer(f"{base}.{self.projection}.0", f"{base}.{self.projection}.1", self.bias)


USUAL = FusedNames()
"""In spikingjelly's own attention."""


def fused_layers(base: str, qk_dim: int, v_dim: int, stream: str, names: FusedNames = USUAL) -> Iterator[Layer]:
    """Queries, keys and values of the fused attention at ``base`` as layers of their own, and its projection."""
    qk, v, proj = f"{base}.qk", f"{base}.v", names.projecting(base)
    yield from split_layers(
        f"{base}.{names.fused}", {f"{base}.q": (qk_dim, qk), f"{base}.k": (qk_dim, qk), v: (v_dim, v)}
    )
    yield layer(f"{base}.proj", proj.module, proj.norm, bias=proj.bias, group=stream)


def fused_groups(
    base: str, path: str, qk_dim: int, v_dim: int, heads: int, names: FusedNames = USUAL
) -> tuple[ChannelGroup, ChannelGroup]:
    """Queries with keys, and values, of the fused attention at ``base``; ``path`` is its block's in the config."""
    fused, consumers = f"{base}.{names.fused}", (names.projecting(base).module,)
    return (
        split_group(f"{base}.qk", qk_dim, f"{path}.qk_dim", fused, (0, qk_dim), parts=heads),
        split_group(f"{base}.v", v_dim, f"{path}.v_dim", fused, (2 * qk_dim,), consumers, parts=heads),
    )


def fused_widths(shapes: Shapes, base: str, names: FusedNames = USUAL) -> tuple[int, int]:
    """Channels of the queries and of the values of the fused attention at ``base``."""
    v_dim = shapes[f"{names.projecting(base).module}.weight"].shape[1]
    return (shapes[f"{base}.{names.fused}.0.weight"].shape[0] - v_dim) // 2, v_dim
