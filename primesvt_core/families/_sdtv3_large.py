"""The large models of Spike-driven Transformer V3: ``Model_Large/spikformer.py``, choice "large"."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn

from primesvt_core.families._base import Count, Producer, group, layer, norm
from primesvt_core.families._pyramid import CONV_BLOCKS, Frozen, Places, Pyramid, PyramidConfig, RepBlockConfig
from primesvt_core.layers.graph import Flow, Part, Signal
from primesvt_core.layers.mlp import Mlp
from primesvt_core.layers.neurons import MultiLevelNeuron
from primesvt_core.layers.pointwise import PointwiseConv1d
from primesvt_core.types import ChannelGroup, Layer, Shapes, TensorSlice

ATTENTION_SCALE = 0.125
neuron = partial(MultiLevelNeuron, half_up=True)


class LargeConvBlock(Frozen):
    """Width between the two convolutions of a block."""

    hidden_dim: Count


def _conv_bn(source: int, target: int) -> nn.Sequential:
    return nn.Sequential(nn.Sequential(nn.Conv2d(source, target, 3, padding=1), nn.BatchNorm2d(target)))


class ConvBlock(Part):
    """Two 3 x 3 convolutions, a neuron before each, added to the stream."""

    def __init__(self, width: int, config: LargeConvBlock) -> None:
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


class Attention(Part):
    """Spiking self-attention with re-parameterised projections."""

    def __init__(self, width: int, block: RepBlockConfig, num_heads: int) -> None:
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
    """Attention and MLP, scaled channel by channel and added to the stream."""

    def __init__(self, width: int, block: RepBlockConfig, num_heads: int) -> None:
        super().__init__()
        self.attn = Attention(width, block, num_heads)
        self.mlp = Mlp(width, block.mlp_dim, pointwise=PointwiseConv1d, neuron=neuron, neuron_first=True)
        self.layer_scale1, self.layer_scale2 = (nn.Parameter(torch.ones(width)) for _ in range(2))

    def define(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, D, H, W)``."""
        tokens = flow.tokens(x)
        for scale, part in ((self.layer_scale1, self.attn), (self.layer_scale2, self.mlp)):
            tokens = flow.add(tokens, _scaled(flow, flow.through(tokens, part), scale))
        return flow.planes(tokens, x)


def _scaled(flow: Flow, x: Signal, scale: nn.Parameter) -> Signal:
    """``(T, B, C, N)``, channel by channel."""
    return flow.apply("scaled", lambda y: scale.unsqueeze(1) * y, x, parameters=(scale,))


class Transformer(Pyramid):
    """The network. It knows no time: a level stands for spikes of several steps."""

    def __init__(
        self, config: PyramidConfig, convs: tuple[LargeConvBlock, ...], blocks: dict[str, tuple[RepBlockConfig, ...]]
    ) -> None:
        streams = config.streams
        found = [ConvBlock(streams[level], block) for level, block in zip(CONV_BLOCKS.values(), convs, strict=True)]
        built = {"block3": [Block(streams[3], block, config.num_heads) for block in blocks["block3"]]}
        super().__init__(config, found, built, neuron, "encode_lif")
        self.lif = neuron(norm=1)

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


def infer_block(shapes: Shapes, base: str, _num_heads: int) -> RepBlockConfig:
    """Widths of a transformer block."""

    def width(module: str) -> int:
        return shapes[f"{base}.{module}.weight"].shape[0]

    inner = {f"{name}_inner": width(f"attn.{name}_conv.0.conv1.0") for name in ("q", "k", "v", "proj")}
    return RepBlockConfig(
        **inner, qk_dim=width("attn.q_conv.1"), v_dim=width("attn.v_conv.1"), mlp_dim=width("mlp.fc1_conv")
    )


def _out(base: str, name: str) -> Producer:
    return Producer(f"{base}.attn.{name}_conv.0.conv2.0", f"{base}.attn.{name}_conv.1")


def _between(base: str, name: str) -> tuple[TensorSlice, ...]:
    return norm(f"{base}.attn.{name}_conv.0.conv2.1")


PLACES = Places(
    conv_producers=lambda base: (Producer(f"{base}.conv2.0.0", f"{base}.conv2.0.1", bias=True),),
    conv_consumers=lambda base: (f"{base}.conv1.0.0",),
    block_producers=lambda base: (
        _out(base, "proj"),
        Producer(f"{base}.mlp.fc2_conv", f"{base}.mlp.fc2_bn", bias=True),
    ),
    block_consumers=lambda base: (
        *(f"{base}.attn.{name}_conv.0.conv1.0" for name in "qkv"),
        f"{base}.mlp.fc1_conv",
    ),
    block_extra=lambda base: (
        *_between(base, "proj"),
        *(TensorSlice(tensor=f"{base}.layer_scale{n}", dim=0) for n in (1, 2)),
    ),
)


def conv_layers(base: str) -> Iterator[Layer]:
    """Layers of a convolution block."""
    for name, owner in (("conv1", f"{base}.hidden"), ("conv2", f"stream.{CONV_BLOCKS[base]}")):
        yield layer(f"{base}.{name}", f"{base}.{name}.0.0", f"{base}.{name}.0.1", bias=True, group=owner)


def block_layers(base: str) -> Iterator[Layer]:
    """Layers of a transformer block."""
    attention = f"{base}.attn"
    owners = {"q": f"{attention}.qk", "k": f"{attention}.qk", "v": f"{attention}.v", "proj": "stream.3"}
    for name, owner in owners.items():
        rep = f"{attention}.{name}_conv"
        inner = f"{attention}.{name}.inner"
        yield layer(f"{attention}.{name}.in", f"{rep}.0.conv1.0", f"{rep}.0.conv1.1", bias=False, group=inner)
        yield layer(
            f"{attention}.{name}.out", f"{rep}.0.conv2.0", f"{rep}.0.conv2.1", f"{rep}.1", bias=False, group=owner
        )
    for name, owner in (("fc1", f"{base}.mlp.fc1"), ("fc2", "stream.3")):
        module = f"{base}.mlp.{name}"
        yield layer(module, f"{module}_conv", f"{module}_bn", bias=True, group=owner)


def conv_groups(base: str, path: str, block: LargeConvBlock) -> Iterator[ChannelGroup]:
    """The group inside a convolution block."""
    producers = (Producer(f"{base}.conv1.0.0", f"{base}.conv1.0.1", bias=True),)
    yield group(f"{base}.hidden", block.hidden_dim, f"{path}.hidden_dim", producers, (f"{base}.conv2.0.0",))


def block_groups(base: str, block: RepBlockConfig, heads: int) -> Iterator[ChannelGroup]:
    """Groups inside a transformer block."""
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
