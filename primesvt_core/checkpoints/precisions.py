"""Precisions in which the weights of layers are stored: one small declaration each. Free of torch.

A precision says what is kept of a weight, and what is read back: whoever confirms a model computes with the latter, so
that the file holds exactly what was confirmed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

Weight = NDArray[np.float32]
"""``(C_out, ...)``: what a layer computes with."""

SCALE_BYTES = 4
"""Of the scale of one output channel, float32."""

LEVELS = 127
"""Of int8, on either side of zero; -128 is not used, so that a weight and its negative are stored alike."""


@dataclass(frozen=True)
class Encoded:
    """What is stored of a weight: values of its shape, and scales ``(C_out,)`` float32 where the precision has them."""

    values: NDArray[Any]
    scales: NDArray[np.float32] | None = None


@dataclass(frozen=True, kw_only=True)
class Precision:
    """One precision.

    Attributes:
        dtype: of the values that are stored.
        encode: from a weight, float32, to what is stored.
        decode: from there to the weight that is read back, float32; the same on every machine.
        has_scales: whether every output channel has a scale beside the values.
        largest: magnitude beyond which it cannot hold a weight.
        version: told by files; another one wherever the same bytes would be read as another weight.
    """

    dtype: str
    encode: Callable[[Weight], Encoded]
    decode: Callable[[Encoded], Weight]
    has_scales: bool = False
    largest: float = inf
    version: int = 1

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return np.dtype(self.dtype).itemsize

    @property
    def channel_bytes(self) -> int:
        """Bytes of every output channel beside its elements."""
        return SCALE_BYTES if self.has_scales else 0


def _as(dtype: type[np.floating[Any]]) -> Callable[[Weight], Encoded]:
    return lambda weight: Encoded(weight.astype(dtype))  # to nearest, ties to even


def _as_float32(stored: Encoded) -> Weight:
    return stored.values.astype(np.float32)


def _to_int8(weight: Weight) -> Encoded:
    """Symmetric, a scale for every output channel: its largest magnitude is 127; ties go to even."""
    rows = weight.reshape(len(weight), -1).astype(np.float64)
    scales = (np.abs(rows).max(axis=1, initial=0.0) / LEVELS).astype(np.float32)
    steps = np.where(scales > 0, scales, 1).astype(np.float64)  # a channel of zeros has the scale 0, and stays zeros
    values = np.where(scales[:, None] > 0, np.rint(rows / steps[:, None]), 0)
    # A scale that is itself rounded down, among the smallest numbers that there are, would lead beyond the levels.
    return Encoded(values.clip(-LEVELS, LEVELS).astype(np.int8).reshape(weight.shape), scales)


def _from_int8(stored: Encoded) -> Weight:
    if stored.scales is None:
        raise ValueError("int8 has scales")
    by_channel = stored.scales.astype(np.float32).reshape(-1, *[1] * (stored.values.ndim - 1))
    return stored.values.astype(np.float32) * by_channel


PRECISIONS: Mapping[str, Precision] = {
    "float32": Precision(dtype="float32", encode=_as(np.float32), decode=_as_float32),
    "float16": Precision(
        dtype="float16", encode=_as(np.float16), decode=_as_float32, largest=float(np.finfo(np.float16).max)
    ),
    "int8": Precision(dtype="int8", encode=_to_int8, decode=_from_int8, has_scales=True),
}
"""By the name that a spec gives them (`primesvt_client.spec.StoredPrecision`)."""


def is_weight(name: str, shape: tuple[int, ...]) -> bool:
    """Whether an entry of a state dict is the weight of a linear or convolution layer, which a precision is about.

    Those of norms have one dimension, and biases another name; both stay as they are.
    """
    return name.rpartition(".")[2] == "weight" and len(shape) > 1
