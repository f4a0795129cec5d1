"""Kernels in numba, without numba's own threads: they are called from a few of ours, in any process and thread.

They compile once a version of this file, in a second; the cache lies beside this file or, where nothing can be written
there, in numba's folder of the user. ``python -m primesvt_core.engines.compiling`` compiles them beforehand.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor

from primesvt_core.engines.vector_loops import LANES, fire

SMALLEST_SHARE = 1 << 15
"""Fewer elements are not worth another thread."""


def compiled(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Compile when it is first called, with a cache; it runs without holding the interpreter."""
    try:
        return njit(cache=True, nogil=True)(kernel)
    except RuntimeError:  # there is no folder for a cache: every process compiles for itself
        return njit(nogil=True)(kernel)


@compiled
def _leaky(currents, spikes, begin, end, tau, share, threshold):  # type: ignore[no-untyped-def]
    steps = currents.shape[0]
    whole = begin + (end - begin) // LANES * LANES
    x, s = np.empty((steps, LANES), currents.dtype), np.empty((steps, LANES), currents.dtype)
    _fire_rows(currents, spikes, begin, whole, tau, share, threshold)
    if whole < end:  # the last few in room for as many as are computed at once
        x[:, : end - whole] = currents[:, whole:end]
        _fire_rows(x, s, 0, LANES, tau, share, threshold)
        spikes[:, whole:end] = s[:, : end - whole]


@compiled
def _fire_rows(currents, spikes, begin, end, tau, share, threshold):  # type: ignore[no-untyped-def]
    steps = currents.shape[0]
    apart, spikes_apart = currents.strides[0] // currents.itemsize, spikes.strides[0] // spikes.itemsize
    if share > threshold - threshold:
        for at in range(begin, end, LANES):
            fire(currents, at, apart, spikes, at, spikes_apart, steps, share, threshold, False)
    else:
        for at in range(begin, end, LANES):
            fire(currents, at, apart, spikes, at, spikes_apart, steps, tau, threshold, True)


def leaky(currents: Tensor, spikes: Tensor, tau: float, threshold: float, *, tau_divides_exactly: bool) -> None:
    """`kernels.leaky` of ``(T, M)`` currents, into ``spikes``, which may be the same memory."""
    x, s = currents.numpy(), spikes.numpy()
    number = x.dtype.type
    numbers = number(tau), number(1 / tau if tau_divides_exactly else 0), number(threshold)
    _in_shares(x.shape[1], lambda begin, end: _leaky(x, s, begin, end, *numbers))


@compiled
def _normalize(x, begin, end, mean, inverse, weight, bias, found):  # type: ignore[no-untyped-def]
    for row in range(begin, end):
        for channel in range(x.shape[1]):
            scaled = (x[row, channel] - mean[channel]) * inverse[channel]
            found[row, channel] = scaled * weight[channel] + bias[channel]


def normalize(x: Tensor, mean: Tensor, inverse: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A BatchNorm of ``(M, C)``, with the operations, and their order, of torch's for channels that lie last.

    Args:
        x: dense in memory.
        mean: ``(C,)``, as the others.
        inverse: of the standard deviation.
        weight: of the BatchNorm.
        bias: of the BatchNorm.
    """
    found = torch.empty_like(x)
    rows, values, out = x.numpy(), [one.numpy() for one in (mean, inverse, weight, bias)], found.numpy()
    _in_shares(len(rows), lambda begin, end: _normalize(rows, begin, end, *values, out), x.shape[1])
    return found


@compiled
def _pack(x, begin, end, found):  # type: ignore[no-untyped-def]
    x, found, others = x[begin:end], found[begin:end], 0  # from 0 on: numba computes vectors of nothing else
    for at in range(len(x)):
        small = np.uint8(np.int32(x[at]))
        found[at] = small
        others += x.dtype.type(small) != x[at]  # counted, not asked: so that it is computed in vectors
    return others == 0


def pack(x: Tensor) -> Tensor | None:
    """A value, dense in memory, in bytes of the same order; None if its elements are no integers from 0 to 255."""
    found = torch.empty_like(x, dtype=torch.uint8)
    numbers, packed = x.numpy().reshape(-1), found.numpy().reshape(-1)
    are_small: list[bool] = []
    _in_shares(len(numbers), lambda begin, end: are_small.append(_pack(numbers, begin, end, packed)))
    return found if all(are_small) else None


def _in_shares(size: int, run: Callable[[int, int], object], elements: int = 1) -> None:
    """Run on as many shares of ``size`` elements, or rows of so many elements each, as torch may use threads."""
    shares = min(torch.get_num_threads(), max(1, size * elements // SMALLEST_SHARE))
    bounds = [size * share // shares for share in range(shares + 1)]
    *others, mine = pairwise(bounds)
    futures = [_threads(os.getpid()).submit(run, *share) for share in others]
    run(*mine)
    for future in futures:
        future.result()


@cache
def _threads(_process: int) -> ThreadPoolExecutor:
    """The threads of this process; a child that was forked has none of its parent's."""
    return ThreadPoolExecutor(os.cpu_count(), "primesvt-kernel")


def compile_all() -> None:
    """Compile every kernel for the types that models have."""
    for dtype in (torch.float32, torch.float64):
        zeros = torch.zeros(1, 1, dtype=dtype)
        for currents in (zeros, zeros.new_zeros(2, 2)[:, :1]):  # whole values and a part of every time step
            leaky(currents, zeros.new_zeros(currents.shape), 2.0, 1.0, tau_divides_exactly=True)
        normalize(zeros, *[zeros[0]] * 4)
        pack(zeros)
