"""Spike-driven self-attention (Spike-driven Transformer, arXiv 2307.01694): a mask in the place of a product."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from primesvt_core.layers.conv_bn_lif import ConvBnLif
from primesvt_core.layers.graph import Flow, Multiplies, Signal
from primesvt_core.layers.pointwise import PointwiseConv2d


class MaskedAttention(ConvBnLif):
    """Queries masked by what keys and values have in common, channel by channel, whatever the heads.

    Args:
        width: channels of the residual stream.
        dim: of queries, keys and values.
        neuron: makes the neurons; ``mask_neuron`` the one that makes the mask, which is called ``mask``.
    """

    def __init__(
        self,
        width: int,
        dim: int,
        *,
        mask: str,
        neuron: Callable[[], nn.Module],
        mask_neuron: Callable[[], nn.Module],
    ) -> None:
        super().__init__("conv", neuron)
        for name in "qkv":
            self.add(name, PointwiseConv2d(width, dim, bias=False), dim)
        self.add_module(mask, mask_neuron())
        self.add("proj", PointwiseConv2d(dim, width), width, fires=False)
        self.shortcut_lif = neuron()
        self.mask_name = mask

    def define(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, D, H, W)`` stream to ``(T, B, D, N)`` currents."""
        spikes = flow.tokens(flow.fire(x, self.shortcut_lif))
        q, k, v = (self.fire(flow, name, spikes) for name in "qkv")
        return self.conv_bn(flow, "proj", self.attend(flow, q, k, v, x))

    def attend(self, flow: Flow, q: Signal, k: Signal, v: Signal, stream: Signal) -> Signal:
        """``(T, B, C, N)`` spikes to the same; ``stream`` has their height and width."""
        mask = self.mask(flow, flow.apply("product", torch.mul, k, v, by_channel=True, multiplies=Multiplies()))
        return flow.apply("masked", torch.mul, q, mask, by_channel=True, multiplies=Multiplies())

    def mask(self, flow: Flow, kv: Signal) -> Signal:
        """``(T, B, C, N) -> (T, B, C, 1)`` spikes."""
        total = flow.apply("total", lambda x: x.sum(3, keepdim=True), kv, by_channel=True)
        return flow.fire(total, self.get_submodule(self.mask_name))
