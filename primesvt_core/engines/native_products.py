"""Products of spikes with weights, and attention, in numba: only inputs that are not zero cost anything.

Nine spikes in ten are zero, so that a layer is the sum of the few rows of its weights whose input fired. Whether that
is faster than the product with all of them is found out first, on a sample of the inputs.

Kernels compile once a version of these files, as those of `native` do.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from primesvt_core.engines.native import compiled
from primesvt_core.engines.vector_loops import LANES, PART, accumulate, add, find

Numbers = NDArray[Any]

SPARSE_BELOW = ((40 << 10, 0.5), (80 << 10, 0.45))
"""Bytes of the weights of a tile, and the share of a layer's inputs that are not zero up to which this is the faster
form (measured, AVX-512 and AVX2): the weights are read again and again, from the first cache if they fit there."""

SPARSE = 0.3
"""The same where the weights are larger."""

SPARSE_TILES = 0.7
"""The same where they fit and there are several tiles, which share what was found in the inputs."""

FEWEST_INPUTS = 32
"""Of a convolution: with fewer channels, finding those that fired costs more than all of them (measured)."""

SPARSE_KEYS = 0.16
"""The same of the queries and keys of an attention."""

SAMPLED_ROWS = 64

ROWS = 64
"""Rows of inputs that are listed at a time: each tile of the weights is read once for all of them."""

CACHE_LINE = 64
"""Bytes."""

TILES = (3 * PART, 2 * PART)
"""Output channels that are summed up together: so many fill the vector registers, of AVX2 as well."""


class Product:
    """A layer with its weights laid out tile by tile of its output channels.

    Args:
        weight: ``(C', C, k, k)``.
        bias: ``(C',)``.
        stride: of both directions.
        padding: of both directions.
    """

    def __init__(self, weight: Tensor, bias: Tensor, stride: int = 1, padding: int = 0) -> None:
        self.channels, inputs, self.size, _ = weight.shape
        self.stride, self.padding = stride, padding
        self.tile = min(TILES, key=lambda width: -(-self.channels // width) * width)
        tiles = -(-self.channels // self.tile)
        rows = np.zeros((self.size * self.size, inputs, tiles * self.tile), weight.numpy().dtype)
        rows[:, :, : self.channels] = weight.permute(2, 3, 1, 0).flatten(0, 1).numpy()
        self.weight = _aligned(rows.reshape(-1, inputs, tiles, self.tile).transpose(2, 0, 1, 3))
        self.bias: Numbers = np.zeros(tiles * self.tile, rows.dtype)
        self.bias[: self.channels] = bias.numpy()
        self.limit = _limit(inputs, self.tile, tiles, rows.dtype) * self.channels / self.bias.size
        if self.size > 1 and inputs < FEWEST_INPUTS:
            self.limit = 0.0

    def __call__(self, x: Tensor) -> Tensor | None:
        """``(..., H, W, C) -> (..., H', W', C')``, or ``(..., C)`` where the kernel is 1; None if it is not sparse."""
        numbers = x.numpy()
        if (
            not self.limit
            or not numbers.flags.c_contiguous
            or not _is_sparse(numbers.reshape(-1), numbers.shape[-1], self.limit)
        ):
            return None
        if self.size == self.stride == 1:
            found = self._rows(numbers.reshape(-1, numbers.shape[-1]))
            return torch.from_numpy(found.reshape(*numbers.shape[:-1], self.channels))
        found = self._planes(numbers.reshape(-1, *numbers.shape[-3:]))
        return torch.from_numpy(found.reshape(*numbers.shape[:-3], *found.shape[1:]))

    def _rows(self, rows: Numbers) -> Numbers:
        count, inputs = rows.shape
        room = np.empty(count * self.channels + self.tile, rows.dtype)
        lists = _lists(min(count, ROWS), inputs, rows.dtype)
        _product(rows, self.weight, self.bias, lists, self._parts, self.channels, room)
        return room[: count * self.channels]

    def _planes(self, planes: Numbers) -> Numbers:
        count, height, width, inputs = planes.shape
        rows, columns = ((side + 2 * self.padding - self.size) // self.stride + 1 for side in (height, width))
        found = np.empty((count, rows, columns, self.channels), planes.dtype)
        lists = _lists(height * width, inputs, planes.dtype)
        _convolution(planes, self.weight, self.bias, lists, self.size, self.stride, self.padding, self._parts, found)
        return found

    @property
    def _parts(self) -> tuple[int, ...]:
        """As many as a tile has, for the compiler."""
        return (0,) * (self.tile // PART)


def attend(queries: Tensor, keys: Tensor, values: Tensor, num_heads: int, scale: float) -> Tensor | None:
    """`kernels.attend` of ``(T, B, N, C)``; None if they are not sparse."""
    q, k, v = (x.numpy() for x in (queries, keys, values))
    if not all(x.flags.c_contiguous for x in (q, k, v)):
        return None
    if not all(_is_sparse(x.reshape(-1), x.shape[-1], SPARSE_KEYS) for x in (q, k)):
        return None
    found = np.empty_like(v)
    lists = tuple(_lists(x.shape[2], x.shape[3], x.dtype) for x in (q, k))
    flat = (x.reshape(-1, *x.shape[2:]) for x in (q, k, v, found))
    _attend(*flat, num_heads, found.dtype.type(scale), *lists)
    return torch.from_numpy(found)


def _limit(inputs: int, tile: int, tiles: int, dtype: np.dtype[Any]) -> float:
    """Share of the inputs that are not zero up to which a layer of whole tiles is faster than torch's."""
    size = inputs * tile * dtype.itemsize
    share = next((share for most, share in SPARSE_BELOW if size <= most), SPARSE)
    return SPARSE_TILES if tiles > 1 and size <= SPARSE_BELOW[0][0] else share


def _lists(positions: int, inputs: int, dtype: np.dtype[Any]) -> tuple[Numbers, Numbers, Numbers]:
    """Room for the inputs of a plane that are not zero: where each position's begin, their channels, their values."""
    size = positions * inputs + LANES
    return np.empty(positions + 1, np.int64), np.empty(size, np.int32), np.empty(size, dtype)


def _aligned(numbers: Numbers) -> Numbers:
    """The same, flat, at the beginning of a cache line: no vector of weights lies in two."""
    room = np.empty(numbers.nbytes + CACHE_LINE, np.uint8)
    begin = -room.ctypes.data % CACHE_LINE
    found = room[begin : begin + numbers.nbytes].view(numbers.dtype)
    found[:] = numbers.reshape(-1)
    return found


@compiled
def _is_sparse(numbers, inputs, limit):  # type: ignore[no-untyped-def]
    """Whether at most a share ``limit`` is not zero, of a sample of rows of ``inputs`` numbers."""
    apart = max(1, numbers.size // inputs // SAMPLED_ROWS) * inputs
    rows = count = 0
    for start in range(0, numbers.size, apart):
        rows += 1
        for at in range(start, start + inputs):
            count += numbers[at] != 0
    return count <= limit * rows * inputs


@compiled
def _list(numbers, start, positions, inputs, scale, lists):  # type: ignore[no-untyped-def]
    """Fill `_lists` with the positions that begin at ``start``; of channels their places times ``scale``."""
    first, where, what = lists
    count = 0
    whole = inputs - inputs % LANES
    for position in range(positions):
        first[position] = count
        at = start + position * inputs
        count = find(numbers, at, at + whole, scale, where, what, count)
        for channel in range(whole, inputs):
            value = numbers[at + channel]
            where[count] = channel * scale
            what[count] = value
            count += value != 0
    first[positions] = count


@compiled
def _product(rows, weight, bias, lists, parts, channels, found):  # type: ignore[no-untyped-def]
    """The last tile, which may be wider than what is left of a row, comes first: others overwrite what is beyond."""
    first, where, what = lists
    count, inputs = rows.shape
    tile = PART * len(parts)
    numbers = rows.reshape(-1)
    for begin in range(0, count, ROWS):
        here = min(ROWS, count - begin)
        _list(numbers, begin * inputs, here, inputs, tile, lists)
        for part in range(bias.size // tile - 1, -1, -1):
            base, own = part * inputs * tile, part * tile
            for row in range(here):
                to = (begin + row) * channels + own
                accumulate(found, to, bias, own, weight, base, where, what, first[row], first[row + 1], parts)


@compiled
def _convolution(planes, weight, bias, lists, kernel, stride, padding, parts, found):  # type: ignore[no-untyped-def]
    count, height, width, inputs = planes.shape
    _, rows, columns, channels = found.shape
    tile = PART * len(parts)
    numbers = planes.reshape(-1)
    sums = np.empty(columns * tile, planes.dtype)
    for plane in range(count):
        _list(numbers, plane * height * width * inputs, height * width, inputs, tile, lists)
        for part in range(bias.size // tile):
            begin = part * tile
            end = min(tile, channels - begin)
            for row in range(rows):
                for at in range(columns * tile):
                    sums[at] = bias[begin + at % tile]
                top, base = row * stride - padding, part * kernel * kernel * inputs * tile
                _sum_row(sums, weight, base, lists, (height, width), inputs, kernel, top, (stride, padding), parts)
                for column in range(columns):
                    for o in range(end):
                        found[plane, row, column, begin + o] = sums[column * tile + o]


@compiled
def _sum_row(sums, weight, base, lists, sides, inputs, kernel, top, steps, parts):  # type: ignore[no-untyped-def]
    """Add what a tile gets at one row of the output, whose first inputs are in the row ``top``.

    One offset of the kernel after another, so that its weights stay in a core's first cache.
    """
    first, where, what = lists
    height, width = sides
    stride, padding = steps
    tile = PART * len(parts)
    columns = sums.size // tile
    for ky in range(max(0, -top), min(kernel, height - top)):
        for kx in range(kernel):
            weights = base + (ky * kernel + kx) * inputs * tile
            for column in range(columns):
                left = column * stride - padding + kx
                if 0 <= left < width:
                    at, position = column * tile, (top + ky) * width + left
                    begin, end = first[position], first[position + 1]
                    accumulate(sums, at, sums, at, weight, weights, where, what, begin, end, parts)


@compiled
def _attend(q, k, v, found, heads, scale, of_queries, of_keys):  # type: ignore[no-untyped-def]
    """All at once `LANES` values of a head, and of the next one where a head has no multiple of as many."""
    planes, tokens, channels = v.shape
    keys, inner, outer = q.shape[2], q.shape[2] // heads, channels // heads
    wide = (outer + LANES - 1) // LANES * LANES
    products = np.empty(keys * wide, v.dtype)
    begins = np.arange(keys) // inner * outer  # of the values of a key's head
    values, sums = np.zeros(tokens * channels + wide, v.dtype), np.empty(tokens * channels + wide, v.dtype)
    queries_flat, keys_flat, values_flat, found_flat = q.reshape(-1), k.reshape(-1), v.reshape(-1), found.reshape(-1)
    for plane in range(planes):
        begin, size = plane * tokens * channels, tokens * channels
        values[:size] = values_flat[begin : begin + size]
        _list(queries_flat, plane * tokens * keys, tokens, keys, 1, of_queries)
        _list(keys_flat, plane * tokens * keys, tokens, keys, 1, of_keys)
        products[:] = 0
        sums[:] = 0
        for n in range(tokens):
            _multiply(products, values, n * channels, n, of_keys, begins, wide)
        for key in range(keys):
            for at in range(key * wide + outer, (key + 1) * wide):
                products[at] = 0  # what the next head's values gave
        for n in range(tokens):
            _ask(sums, products, n * channels, n, of_queries, begins, wide)
        for at in range(size):
            found_flat[begin + at] = sums[at] * scale


@compiled
def _multiply(products, values, at, n, of_keys, begins, wide):  # type: ignore[no-untyped-def]
    """Add the products of a token's keys with its values, each with those of its head."""
    first, where, what = of_keys
    for i in range(first[n], first[n + 1]):
        key = where[i]
        for j in range(0, wide, LANES):
            add(products, key * wide + j, what[i], values, at + begins[key] + j)


@compiled
def _ask(sums, products, at, n, of_queries, begins, wide):  # type: ignore[no-untyped-def]
    """Add what a token's queries find."""
    first, where, what = of_queries
    for i in range(first[n], first[n + 1]):
        query = where[i]
        for j in range(0, wide, LANES):
            add(sums, at + begins[query] + j, what[i], products, query * wide + j)


def compile_all() -> None:
    """Compile every kernel for the types that models have."""
    for dtype in (torch.float32, torch.float64):
        zeros = torch.zeros(1, 1, 1, 1, dtype=dtype)
        for tile in TILES:
            bias, inputs = zeros.new_zeros(tile), zeros.new_zeros(1, 1, 1, FEWEST_INPUTS)
            Product(zeros.expand(tile, 1, 1, 1), bias)(zeros)
            Product(zeros.expand(tile, FEWEST_INPUTS, 3, 3), bias, padding=1)(inputs)
        attend(zeros, zeros, zeros, 1, 1.0)
