"""Weights, BatchNorms and thresholds as integers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from primesvt_core.checkpoints.precisions import PRECISIONS, Encoded
from primesvt_core.errors import ExportError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

NEGLIGIBLE = 2.0**-40
"""A channel whose unit is that much smaller than its bias or threshold computes with neither weight nor input."""


@dataclass(frozen=True)
class Folded:
    """A layer with its BatchNorm.

    Attributes:
        weight: int8, of the layer's shape.
        scale: ``(C_out,)``, positive: what one unit of a channel is.
        bias: ``(C_out,)``, in units.
    """

    weight: NDArray[np.int8]
    scale: Floats
    bias: Floats

    def bias_integers(self, exact_bits: int, fraction_bits: int) -> Integers:
        """Biases in units of ``2 ** -fraction_bits``, the last ``exact_bits`` of which are left to the leak."""
        return np.rint(self.bias * 2.0 ** (fraction_bits - exact_bits)).astype(np.int64) << exact_bits

    def thresholds(self, threshold: float, fraction_bits: int) -> Integers:
        """The smallest integers that are not below a threshold."""
        return np.ceil(threshold / self.scale * 2.0**fraction_bits).astype(np.int64)


def encoded(path: str, layer: nn.Module, stored: Mapping[str, Encoded]) -> Encoded:
    """A layer's weight as int8 and scales: as its file has them, or rounded as ``--weights int8`` does."""
    found = stored.get(f"{path}.weight")
    if found is not None and found.scales is not None:
        return found
    weight = layer.get_parameter("weight").detach().float().cpu().numpy()
    return PRECISIONS["int8"].encode(np.ascontiguousarray(weight))


def fold(
    path: str, layer: nn.Module, norm: _BatchNorm | None, stored: Mapping[str, Encoded], threshold: float
) -> Folded:
    """A layer and the BatchNorm behind it.

    Args:
        path: of the layer.
        layer: convolution or linear.
        norm: None if there is none.
        stored: weights that the model's file has as integers, by name.
        threshold: of the neurons behind.
    """
    weight = encoded(path, layer, stored)
    if weight.scales is None:
        raise ExportError(f"the weight of {path} has no scales")
    factor, offset = _affine(len(weight.values), norm)
    bias = getattr(layer, "bias", None)
    before = np.zeros(len(factor)) if bias is None else bias.detach().double().cpu().numpy()
    currents = before * factor + offset
    scale = weight.scales.astype(np.float64) * np.abs(factor)
    is_negligible = scale <= np.maximum(np.abs(currents), threshold) * NEGLIGIBLE
    scale = np.where(is_negligible, threshold, scale)
    signs = np.where(is_negligible, 0, np.sign(factor)).astype(np.int8).reshape(-1, *[1] * (weight.values.ndim - 1))
    return Folded(weight.values * signs, scale, currents / scale)


def _affine(channels: int, norm: _BatchNorm | None) -> tuple[Floats, Floats]:
    """What a BatchNorm multiplies by and adds."""
    if norm is None:
        return np.ones(channels), np.zeros(channels)
    if norm.running_mean is None or norm.running_var is None:
        raise ExportError("a BatchNorm without statistics depends on the batch")
    mean, variance = (each.double().cpu().numpy() for each in (norm.running_mean, norm.running_var))
    gain = norm.weight.detach().double().cpu().numpy() if norm.affine else np.ones(channels)
    shift = norm.bias.detach().double().cpu().numpy() if norm.affine else np.zeros(channels)
    factor = gain / np.sqrt(variance + norm.eps)
    return factor, shift - mean * factor


def bits(largest: int) -> int:
    """Bits, with sign, that hold all integers up to a magnitude."""
    return int(largest).bit_length() + 1


def scalar_threshold(threshold: float, scale: float, fraction_bits: int) -> int:
    """The smallest integer that is not below a threshold, in units of ``scale * 2 ** -fraction_bits``."""
    return ceil(threshold / scale * (1 << fraction_bits))
