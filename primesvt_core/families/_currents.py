"""Parts of networks of stages whose residual streams hold currents (Max-Former and MS-QKFormer, arXiv 2505.18608).

A neuron stands before every layer, and what a layer gives is added to the stream as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from torch import nn

from primesvt_core.families._stages import Embedding, Unit, place
from primesvt_core.layers.conv_bn_lif import ConvBnLif
from primesvt_core.layers.graph import Flow, Part, Signal
from primesvt_core.layers.mlp import CurrentMlp
from primesvt_core.layers.neurons import lif
from primesvt_core.layers.pointwise import PointwiseConv1d
from primesvt_core.layers.self_attention import ATTENTION_THRESHOLD, USUAL_SCALE
from primesvt_core.layers.token_attention import token_attention

Mixer = Literal["identity", "max", "average"]
"""What a block without weights of its own before the MLP does with its stream: nothing, or the maximum or mean of three
by three positions."""


class CurrentEmbedding(Part):
    """Convolutions with BatchNorm, perhaps a neuron before and maxima behind them; a shortcut is added to the last."""

    def __init__(self, source: int, inner: Sequence[int], target: int, embedding: Embedding) -> None:
        super().__init__()
        self.embedding = embedding
        widths = (source, *inner, target)
        for unit, (before, after) in zip(embedding.units, pairwise(widths), strict=True):
            self._place(unit, before, after)
        self._place(embedding.shortcut, widths[embedding.shortcut_from], target)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)

    def _place(self, unit: Unit, source: int, target: int) -> None:
        side = unit.kernel
        conv = nn.Conv2d(source, target, side, stride=unit.stride, padding=side // 2, bias=self.embedding.bias)
        place(self, unit.conv, conv)
        place(self, unit.norm, nn.BatchNorm2d(target))
        if unit.neuron:
            place(self, unit.neuron, lif())

    def _spikes(self, flow: Flow, unit: Unit, x: Signal) -> Signal:
        return flow.fire(x, self.get_submodule(unit.neuron)) if unit.neuron else x

    def _currents(self, flow: Flow, unit: Unit, x: Signal) -> Signal:
        layers = [self.get_submodule(name) for name in (unit.conv, unit.norm)]
        return flow.run(x, *layers, *([self.pool] if unit.pooled else []))

    def define(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, C, H, W) -> (T, B, D, H', W')`` currents.

        The shortcut reads the spikes that its unit reads, or, with a neuron of its own, the currents before them.
        """
        shortcut, start = self.embedding.shortcut, x
        for index, unit in enumerate(self.embedding.units):
            spikes = self._spikes(flow, unit, x)
            if index == self.embedding.shortcut_from:
                start = x if shortcut.neuron else spikes
            x = self._currents(flow, unit, spikes)
        return flow.add(x, self._currents(flow, shortcut, self._spikes(flow, shortcut, start)))


class CurrentSelfAttention(ConvBnLif):
    """Spiking self-attention behind a neuron of its own, ``x_lif``: ``(T, B, D, N)`` to currents of the same shape."""

    def __init__(self, width: int, qk_dim: int, v_dim: int, *, num_heads: int) -> None:
        super().__init__("conv")
        self.x_lif = lif()
        for name, target in (("q", qk_dim), ("k", qk_dim), ("v", v_dim)):
            self.add(name, PointwiseConv1d(width, target, bias=False), target)
        self.attn_lif = lif(threshold=ATTENTION_THRESHOLD)
        self.add("proj", PointwiseConv1d(v_dim, width), width, fires=False)
        self.num_heads = num_heads

    def define(self, flow: Flow, x: Signal) -> Signal:
        spikes = flow.fire(x, self.x_lif)
        q, k, v = (self.fire(flow, name, spikes) for name in "qkv")
        attended = flow.attend(q, k, v, num_heads=self.num_heads, scale=USUAL_SCALE)
        return self.conv_bn(flow, "proj", flow.fire(attended, self.attn_lif))


class CurrentTokenAttention(ConvBnLif):
    """Token attention behind a neuron, which the public code calls ``proj_lif``: as `CurrentSelfAttention`."""

    def __init__(self, width: int, q_dim: int, k_dim: int, *, num_heads: int) -> None:
        super().__init__("conv")
        for name, target in (("q", q_dim), ("k", k_dim)):
            self.add(name, PointwiseConv1d(width, target, bias=False), target)
        self.attn_lif = lif(threshold=ATTENTION_THRESHOLD)
        self.add("proj", PointwiseConv1d(k_dim, width), width)
        self.num_heads = num_heads

    def define(self, flow: Flow, x: Signal) -> Signal:
        spikes = self.spike(flow, "proj", x)
        q, k = self.fire(flow, "q", spikes), self.fire(flow, "k", spikes)
        return self.conv_bn(flow, "proj", token_attention(flow, q, k, self.num_heads, self.attn_lif))


class Depthwise(Part):
    """A depthwise convolution of spikes, called ``name``: ``(T, B, D, H, W)`` to currents of the same shape."""

    def __init__(self, width: int, kernel: int, name: str) -> None:
        super().__init__()
        self.name = name
        self.add_module(f"{name}_neuron", lif())
        self.add_module(name, nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=width))
        self.add_module(f"{name}_bn", nn.BatchNorm2d(width))

    def define(self, flow: Flow, x: Signal) -> Signal:
        neuron, conv, bn = (self.get_submodule(self.name + end) for end in ("_neuron", "", "_bn"))
        return flow.run(flow.fire(x, neuron), conv, bn)


class Pooling(Part):
    """Maxima or means of the stream, in its place: ``(T, B, D, H, W)`` to the same shape; nothing for ``identity``."""

    def __init__(self, mixer: Mixer) -> None:
        super().__init__()
        self.pool: nn.Module = nn.Identity()
        if mixer == "max":
            self.pool = nn.MaxPool2d(3, stride=1, padding=1)
        elif mixer == "average":
            self.pool = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)

    def define(self, flow: Flow, x: Signal) -> Signal:
        return flow.run(x, self.pool)


class CurrentBlock(Part):
    """Attention, a depthwise convolution or pooling, and an MLP.

    Args:
        width: of the stream.
        name: of what stands before the MLP: ``attn``, ``mixer``.
        mixer: which.
        mlp_dim: hidden channels; None where they are added to the stream.
    """

    def __init__(self, width: int, name: str, mixer: Part, mlp_dim: int | None) -> None:
        super().__init__()
        self.add_module(name, mixer)
        self.mixing, self.mlp = name, CurrentMlp(width, mlp_dim)

    def define(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, D, H, W)`` stream to the next stream."""
        mixer = self.get_submodule(self.mixing)
        if isinstance(mixer, Pooling):
            tokens = flow.tokens(flow.through(x, mixer))
        elif isinstance(mixer, Depthwise):
            tokens = flow.tokens(flow.add(x, flow.through(x, mixer)))
        else:
            tokens = flow.tokens(x)
            tokens = flow.add(tokens, flow.through(tokens, mixer))
        return flow.planes(flow.through(tokens, self.mlp), x)
