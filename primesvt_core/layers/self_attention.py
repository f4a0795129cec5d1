"""Spiking self-attention with its projections, as several families have it."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from primesvt_core.layers.conv_bn_lif import ConvBnLif
from primesvt_core.layers.graph import Flow, Part, Signal
from primesvt_core.layers.neurons import lif
from primesvt_core.layers.pointwise import Pointwise, PointwiseConv1d

ATTENTION_THRESHOLD = 0.5
USUAL_SCALE = 0.125
"""What the public code multiplies by, whatever the width of a head."""


class SelfAttention(ConvBnLif):
    """``q``, ``k``, ``v`` fired from what comes in, the attention fired at half the threshold, projected and fired.

    Args:
        width: channels of the residual stream.
        qk_dim: of queries and keys.
        v_dim: of values.
        num_heads: divides both.
        scale: of the attention.
        pointwise: kind of the projections; ``suffix`` is what their names end in.
        bias: whether q, k and v have one; ``projection_bias`` whether the projection has.
        neuron: makes the neurons; is given the attention's ``threshold``.
    """

    def __init__(
        self,
        width: int,
        qk_dim: int,
        v_dim: int,
        *,
        num_heads: int,
        scale: float = USUAL_SCALE,
        pointwise: Pointwise = PointwiseConv1d,
        suffix: str = "conv",
        bias: bool = False,
        projection_bias: bool = True,
        neuron: Callable[..., nn.Module] = lif,
    ) -> None:
        super().__init__(suffix, neuron)
        for name, target in (("q", qk_dim), ("k", qk_dim), ("v", v_dim)):
            self.add(name, pointwise(width, target, bias=bias), target)
        self.attn_lif = neuron(threshold=ATTENTION_THRESHOLD)
        self.add("proj", pointwise(v_dim, width, bias=projection_bias), width)
        self.num_heads, self.scale = num_heads, scale

    def attend(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, D, N)`` to the projection's currents of the same shape."""
        q, k, v = (self.fire(flow, name, x) for name in "qkv")
        attended = flow.attend(q, k, v, num_heads=self.num_heads, scale=self.scale)
        return self.conv_bn(flow, "proj", flow.fire(attended, self.attn_lif))

    def define(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, D, N)`` to spikes of the same shape."""
        return self.spike(flow, "proj", self.attend(flow, x))


class FusedSelfAttention(Part):
    """The same with ``q``, ``k`` and ``v`` in one projection, one after another, as spikingjelly's models have it.

    Args:
        width: channels of the residual stream.
        qk_dim: of queries and keys.
        v_dim: of values.
        num_heads: divides both.
        neuron: makes the neurons; ``attention_neuron`` the one behind the attention.
    """

    def __init__(
        self,
        width: int,
        qk_dim: int,
        v_dim: int,
        *,
        num_heads: int,
        neuron: Callable[[], nn.Module],
        attention_neuron: Callable[[], nn.Module],
    ) -> None:
        super().__init__()
        rows = 2 * qk_dim + v_dim
        self.qkv_conv_bn = nn.Sequential(PointwiseConv1d(width, rows, bias=False), nn.BatchNorm1d(rows))
        self.qkv_lif = neuron()
        self.attn_lif = attention_neuron()
        self.proj_conv_bn = nn.Sequential(PointwiseConv1d(v_dim, width, bias=False), nn.BatchNorm1d(width))
        self.proj_lif = neuron()
        self.num_heads, self.rows = num_heads, (qk_dim, qk_dim, v_dim)

    def define(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, D, N)`` to spikes of the same shape."""
        q, k, v = flow.split(flow.fire(flow.run(x, self.qkv_conv_bn), self.qkv_lif), self.rows)
        attended = flow.attend(q, k, v, num_heads=self.num_heads, scale=USUAL_SCALE)
        return flow.fire(flow.run(flow.fire(attended, self.attn_lif), self.proj_conv_bn), self.proj_lif)
