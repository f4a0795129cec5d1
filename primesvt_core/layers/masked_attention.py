"""Spike-driven self-attention (Spike-driven Transformer, arXiv 2307.01694): a mask in the place of a product."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from primesvt_core.layers.conv_bn_lif import ConvBnLif
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

    def forward(self, x: Tensor) -> Tensor:
        """``(T, B, D, H, W)`` stream to ``(T, B, D, N)`` currents."""
        spikes = self.shortcut_lif(x).flatten(3)
        q, k, v = (self.fire(name, spikes) for name in "qkv")
        return self.conv_bn("proj", self.attend(q, k, v, x.shape[-2:]))

    def attend(self, q: Tensor, k: Tensor, v: Tensor, side: torch.Size) -> Tensor:
        """``(T, B, C, N)`` spikes to the same; ``side`` are height and width."""
        return q * self.mask(k * v)

    def mask(self, kv: Tensor) -> Tensor:
        """``(T, B, C, N) -> (T, B, C, 1)`` spikes."""
        spikes: Tensor = self.get_submodule(self.mask_name)(kv.sum(3, keepdim=True))
        return spikes
