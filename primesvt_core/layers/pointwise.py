"""Pointwise layers on tokens, channel-major ``(B, C, N)``, with the parameters of three torch layers.

The public families use ``Linear``, ``Conv1d`` or 1x1 ``Conv2d``; these compute the same on one layout, so that a block
need not know which one a checkpoint was written with.
"""

from __future__ import annotations

from torch import Tensor, nn


class PointwiseLinear(nn.Linear):
    """``Linear`` over the channels: ``(B, C, N) -> (B, C', N)``, weight ``(C', C)``."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.transpose(1, 2)).transpose(1, 2)


class PointwiseConv1d(nn.Conv1d):
    """``Conv1d`` of kernel 1: ``(B, C, N) -> (B, C', N)``, weight ``(C', C, 1)``."""

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__(in_features, out_features, 1, bias=bias)


class PointwiseConv2d(nn.Conv2d):
    """``Conv2d`` of kernel 1 on tokens: ``(B, C, N) -> (B, C', N)``, weight ``(C', C, 1, 1)``."""

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__(in_features, out_features, 1, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.unsqueeze(-1)).squeeze(-1)


Pointwise = type[PointwiseLinear] | type[PointwiseConv1d] | type[PointwiseConv2d]
