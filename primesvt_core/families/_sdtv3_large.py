"""The large models of Spike-driven Transformer V3: ``Model_Large/spikformer.py``.

The choice "base" (83M) has a re-parameterised convolution before every block's attention. In the released files its
first BatchNorm does not fit the convolution before it, so that the public code cannot have run it: those tensors are
kept, and nothing reads them. Where it fits, as in the code of today, its currents are added to the stream.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from primesvt_core.families._base import NORM_ENTRIES, Count, Producer, columns, group, layer, norm, rows
from primesvt_core.families._pyramid import (
    CONV_BLOCKS,
    Frozen,
    LevelsConfig,
    Neuron,
    Places,
    Pyramid,
    RepBlockConfig,
)
from primesvt_core.layers.graph import Flow, Part, Signal
from primesvt_core.layers.mlp import Mlp
from primesvt_core.layers.neurons import MultiLevelNeuron
from primesvt_core.layers.pointwise import PointwiseConv1d
from primesvt_core.types import ChannelGroup, Layer, Shapes, TensorSlice

ATTENTION_SCALE = 0.125


class LargeConvBlock(Frozen):
    """Width between the two convolutions of a block."""

    hidden_dim: Count


class Rep(Frozen):
    """Width inside the convolution before a block's attention."""

    inner: Count


class UnusedRep(Frozen):
    """Sizes of one that do not fit: rows of its first layer, of the BatchNorm behind it, columns of its second."""

    rows: Count
    normed: Count
    columns: Count


class LargeBlock(RepBlockConfig):
    """Widths of a transformer block; those of the choice "base" have a ``rep``."""

    rep: Rep | UnusedRep | None = None


def _conv_bn(source: int, target: int) -> nn.Sequential:
    return nn.Sequential(nn.Sequential(nn.Conv2d(source, target, 3, padding=1), nn.BatchNorm2d(target)))


class ConvBlock(Part):
    """Two 3 x 3 convolutions, a neuron before each, added to the stream."""

    def __init__(self, width: int, config: LargeConvBlock, neuron: Neuron) -> None:
        super().__init__()
        self.neuron1, self.neuron2 = neuron(), neuron()
        self.conv1, self.conv2 = _conv_bn(width, config.hidden_dim), _conv_bn(config.hidden_dim, width)

    def define(self, flow: Flow, x: Signal) -> Signal:
        hidden = flow.run(flow.fire(x, self.neuron1), self.conv1)
        return flow.add(x, flow.run(flow.fire(hidden, self.neuron2), self.conv2))


class RepPointwise(nn.Sequential):
    """A pointwise convolution as it is trained: two, one after the other, with a BatchNorm each."""

    def __init__(self, source: int, inner: int, target: int) -> None:
        super().__init__(
            OrderedDict(
                conv1=nn.Sequential(PointwiseConv1d(source, inner, bias=False), nn.BatchNorm1d(inner)),
                conv2=nn.Sequential(PointwiseConv1d(inner, target, bias=False), nn.BatchNorm1d(target)),
            )
        )


class UnusedRepPointwise(nn.Sequential):
    """One whose sizes do not fit together, which nothing runs."""

    def __init__(self, width: int, rep: UnusedRep) -> None:
        super().__init__(
            OrderedDict(
                conv1=nn.Sequential(nn.Conv1d(width, rep.rows, 1, bias=False), nn.BatchNorm1d(rep.normed)),
                conv2=nn.Sequential(nn.Conv1d(rep.columns, width, 1, bias=False), nn.BatchNorm1d(width)),
            )
        )


class Attention(Part):
    """Spiking self-attention with re-parameterised projections."""

    def __init__(self, width: int, block: LargeBlock, num_heads: int, neuron: Neuron) -> None:
        super().__init__()
        self.head_lif, self.attn_lif = neuron(), neuron()
        for name, inner, target in (
            ("q", block.q_inner, block.qk_dim), ("k", block.k_inner, block.qk_dim), ("v", block.v_inner, block.v_dim),
        ):  # fmt: skip
            self.add_module(f"{name}_conv", nn.Sequential(RepPointwise(width, inner, target), nn.BatchNorm1d(target)))
            self.add_module(f"{name}_lif", neuron())
        self.proj_conv = nn.Sequential(RepPointwise(block.v_dim, block.proj_inner, width), nn.BatchNorm1d(width))
        self.num_heads = num_heads

    def define(self, flow: Flow, x: Signal) -> Signal:
        x = flow.fire(x, self.head_lif)
        q, k, v = (
            flow.fire(flow.run(x, self.get_submodule(f"{name}_conv")), self.get_submodule(f"{name}_lif"))
            for name in "qkv"
        )
        attended = flow.attend(q, k, v, num_heads=self.num_heads, scale=ATTENTION_SCALE)
        return flow.run(flow.fire(attended, self.attn_lif), self.proj_conv)


class Block(Part):
    """Attention and MLP, scaled channel by channel and added to the stream; perhaps a convolution before them."""

    def __init__(self, width: int, block: LargeBlock, num_heads: int, neuron: Neuron) -> None:
        super().__init__()
        if isinstance(block.rep, Rep):
            self.lif = neuron()
            self.rep_conv: nn.Module = RepPointwise(width, block.rep.inner, width)
        elif block.rep is not None:
            self.rep_conv = UnusedRepPointwise(width, block.rep)
        self.attn = Attention(width, block, num_heads, neuron)
        self.mlp = Mlp(width, block.mlp_dim, pointwise=PointwiseConv1d, neuron=neuron, neuron_first=True)
        self.layer_scale1, self.layer_scale2 = (nn.Parameter(torch.ones(width)) for _ in range(2))
        self.runs_rep = isinstance(block.rep, Rep)

    def define(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, D, H, W)``."""
        tokens = flow.tokens(x)
        if self.runs_rep:
            tokens = flow.add(tokens, flow.run(flow.fire(tokens, self.lif), self.rep_conv))
        for scale, part in ((self.layer_scale1, self.attn), (self.layer_scale2, self.mlp)):
            tokens = flow.add(tokens, _scaled(flow, flow.through(tokens, part), scale))
        return flow.planes(tokens, x)


def _scaled(flow: Flow, x: Signal, scale: nn.Parameter) -> Signal:
    """``(T, B, C, N)``, channel by channel."""
    return flow.apply("scaled", lambda y: scale.unsqueeze(1) * y, x, parameters=(scale,))


class Transformer(Pyramid):
    """The network. It knows no time: a level stands for spikes of several steps."""

    def __init__(
        self, config: LevelsConfig, convs: tuple[LargeConvBlock, ...], blocks: dict[str, tuple[LargeBlock, ...]]
    ) -> None:
        streams, levels = config.streams, config.levels
        neuron = partial(MultiLevelNeuron, levels, levels, half_up=True)
        places = zip(CONV_BLOCKS.values(), convs, strict=True)
        found = [ConvBlock(streams[level], block, neuron) for level, block in places]
        built = {"block3": [Block(streams[3], block, config.num_heads, neuron) for block in blocks["block3"]]}
        super().__init__(config, found, built, neuron, "encode_lif")
        self.lif = MultiLevelNeuron(levels, 1, half_up=True)

    def logits(self, flow: Flow, x: Signal) -> Signal:
        currents = flow.apply("mean", lambda y: y.flatten(3).mean(3), x)
        spikes = flow.fire(currents, self.lif)  # the public code fires even where no head reads the spikes
        if self.head_kd is None:
            return flow.apply("logits", lambda y: self.head(y).mean(0), currents, modules=(self.head,))
        both = (self.head, self.head_kd)
        return flow.apply("logits", partial(_mean_logits, *both), currents, spikes, modules=both)


def _mean_logits(head: nn.Module, distilled: nn.Module, currents: Tensor, spikes: Tensor) -> Tensor:
    """Of the head, which reads currents, and of the one that was taught by distillation, which reads spikes."""
    logits: Tensor = (head(currents) + distilled(spikes)) / 2
    return logits.mean(0)


def infer_conv(shapes: Shapes, base: str) -> LargeConvBlock:
    """Width of a convolution block."""
    return LargeConvBlock(hidden_dim=shapes[f"{base}.conv1.0.0.weight"].shape[0])


def infer_block(shapes: Shapes, base: str, _num_heads: int) -> LargeBlock:
    """Widths of a transformer block."""

    def width(module: str) -> int:
        return shapes[f"{base}.{module}.weight"].shape[0]

    inner = {f"{name}_inner": width(f"attn.{name}_conv.0.conv1.0") for name in ("q", "k", "v", "proj")}
    return LargeBlock(
        **inner, qk_dim=width("attn.q_conv.1"), v_dim=width("attn.v_conv.1"), mlp_dim=width("mlp.fc1_conv"),
        rep=_infer_rep(shapes, f"{base}.rep_conv"),
    )  # fmt: skip


def _infer_rep(shapes: Shapes, base: str) -> Rep | UnusedRep | None:
    if f"{base}.conv1.0.weight" not in shapes:
        return None
    rows, normed = (shapes[f"{base}.conv1.{n}.weight"].shape[0] for n in (0, 1))
    columns = shapes[f"{base}.conv2.0.weight"].shape[1]
    return Rep(inner=rows) if rows == normed == columns else UnusedRep(rows=rows, normed=normed, columns=columns)


def _out(base: str, name: str) -> Producer:
    return Producer(f"{base}.attn.{name}_conv.0.conv2.0", f"{base}.attn.{name}_conv.1")


def _between(base: str, name: str) -> tuple[TensorSlice, ...]:
    return norm(f"{base}.attn.{name}_conv.0.conv2.1")


def _rep_ends(base: str) -> tuple[Producer, Producer]:
    first, second = (Producer(f"{base}.rep_conv.conv{n}.0", f"{base}.rep_conv.conv{n}.1") for n in (1, 2))
    return first, second


def unused(base: str, block: LargeBlock) -> frozenset[str]:
    """Tensors of a block that nothing reads."""
    if not isinstance(block.rep, UnusedRep):
        return frozenset()
    norms = [f"{end.norm}.{entry}" for end in _rep_ends(base) for entry in (*NORM_ENTRIES, "num_batches_tracked")]
    return frozenset((*(f"{end.module}.weight" for end in _rep_ends(base)), *norms))


def _unused_slices(base: str, block: LargeBlock) -> tuple[TensorSlice, ...]:
    """Where the stream's channels lie in tensors that nothing reads."""
    if not isinstance(block.rep, UnusedRep):
        return ()
    first, second = _rep_ends(base)
    return (*columns(first.module), *rows(second.module, bias=False), *norm(second.norm))


def places(blocks: Sequence[LargeBlock]) -> Places:
    """Where the blocks meet the streams."""

    def block_of(base: str) -> LargeBlock:
        return blocks[int(base.rsplit(".", 1)[1])]

    def added(base: str) -> tuple[Producer, ...]:
        return (_rep_ends(base)[1],) if isinstance(block_of(base).rep, Rep) else ()

    def read(base: str) -> tuple[str, ...]:
        return (_rep_ends(base)[0].module,) if isinstance(block_of(base).rep, Rep) else ()

    return Places(
        conv_producers=lambda base: (Producer(f"{base}.conv2.0.0", f"{base}.conv2.0.1", bias=True),),
        conv_consumers=lambda base: (f"{base}.conv1.0.0",),
        block_producers=lambda base: (
            *added(base),
            _out(base, "proj"),
            Producer(f"{base}.mlp.fc2_conv", f"{base}.mlp.fc2_bn", bias=True),
        ),
        block_consumers=lambda base: (
            *read(base),
            *(f"{base}.attn.{name}_conv.0.conv1.0" for name in "qkv"),
            f"{base}.mlp.fc1_conv",
        ),
        block_extra=lambda base: (
            *_between(base, "proj"),
            *(TensorSlice(tensor=f"{base}.layer_scale{n}", dim=0) for n in (1, 2)),
            *_unused_slices(base, block_of(base)),
        ),
    )


def conv_layers(base: str) -> Iterator[Layer]:
    """Layers of a convolution block."""
    for name, owner in (("conv1", f"{base}.hidden"), ("conv2", f"stream.{CONV_BLOCKS[base]}")):
        yield layer(f"{base}.{name}", f"{base}.{name}.0.0", f"{base}.{name}.0.1", bias=True, group=owner)


def block_layers(base: str, block: LargeBlock) -> Iterator[Layer]:
    """Layers of a transformer block."""
    if isinstance(block.rep, Rep):
        owners = {"in": f"{base}.rep.inner", "out": "stream.3"}
        for (name, owner), end in zip(owners.items(), _rep_ends(base), strict=True):
            yield layer(f"{base}.rep.{name}", end.module, end.norm, bias=False, group=owner)
    attention = f"{base}.attn"
    owners = {"q": f"{attention}.qk", "k": f"{attention}.qk", "v": f"{attention}.v", "proj": "stream.3"}
    for name, owner in owners.items():
        rep = f"{attention}.{name}_conv"
        inner = f"{attention}.{name}.inner"
        yield layer(f"{attention}.{name}.in", f"{rep}.0.conv1.0", f"{rep}.0.conv1.1", bias=False, group=inner)
        out = layer(
            f"{attention}.{name}.out", f"{rep}.0.conv2.0", f"{rep}.0.conv2.1", f"{rep}.1", bias=False, group=owner
        )
        yield _with_scale(out, f"{base}.layer_scale1") if name == "proj" else out
    fc1, fc2 = (f"{base}.mlp.{name}" for name in ("fc1", "fc2"))
    yield layer(fc1, f"{fc1}_conv", f"{fc1}_bn", bias=True, group=fc1)
    yield _with_scale(layer(fc2, f"{fc2}_conv", f"{fc2}_bn", bias=True, group="stream.3"), f"{base}.layer_scale2")


def _with_scale(found: Layer, scale: str) -> Layer:
    """A layer with what its currents are multiplied by before they are added to the stream."""
    return replace(found, tensors=(*found.tensors, scale))


def conv_groups(base: str, path: str, block: LargeConvBlock) -> Iterator[ChannelGroup]:
    """The group inside a convolution block."""
    producers = (Producer(f"{base}.conv1.0.0", f"{base}.conv1.0.1", bias=True),)
    yield group(f"{base}.hidden", block.hidden_dim, f"{path}.hidden_dim", producers, (f"{base}.conv2.0.0",))


def block_groups(base: str, block: LargeBlock, heads: int) -> Iterator[ChannelGroup]:
    """Groups inside a transformer block."""
    if isinstance(block.rep, Rep):
        first, second = _rep_ends(base)
        yield group(f"{base}.rep.inner", block.rep.inner, f"{base}.rep.inner", (first,), (second.module,))
    for name in ("q", "k", "v", "proj"):
        rep = f"{base}.attn.{name}_conv.0"
        size, path = getattr(block, f"{name}_inner"), f"{base}.{name}_inner"
        producers = (Producer(f"{rep}.conv1.0", f"{rep}.conv1.1"),)
        yield group(f"{base}.attn.{name}.inner", size, path, producers, (f"{rep}.conv2.0",))
    q, k, v = (_out(base, name) for name in "qkv")
    between = (*_between(base, "q"), *_between(base, "k"))
    yield group(f"{base}.attn.qk", block.qk_dim, f"{base}.qk_dim", (q, k), extra=between, parts=heads)
    consumers = (f"{base}.attn.proj_conv.0.conv1.0",)
    extra = _between(base, "v")
    yield group(f"{base}.attn.v", block.v_dim, f"{base}.v_dim", (v,), consumers, extra=extra, parts=heads)
    hidden = (Producer(f"{base}.mlp.fc1_conv", f"{base}.mlp.fc1_bn", bias=True),)
    yield group(f"{base}.mlp.fc1", block.mlp_dim, f"{base}.mlp_dim", hidden, (f"{base}.mlp.fc2_conv",))
