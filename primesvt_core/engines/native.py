"""Kernels in numba. They compile once a version of this file; the cache is numba's own."""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange
from torch import Tensor

BLOCK = 2048
"""Membranes that a thread keeps at a time."""


@njit(cache=True, parallel=True, nogil=True)
def _leaky(currents, spikes, tau, share, threshold):  # type: ignore[no-untyped-def]
    steps, size = currents.shape
    zero, one = tau * 0, tau * 0 + 1
    for block in prange((size + BLOCK - 1) // BLOCK):
        start = block * BLOCK
        stop = min(start + BLOCK, size)
        v = np.zeros(stop - start, currents.dtype)
        for t in range(steps):
            x, s = currents[t, start:stop], spikes[t, start:stop]
            if share > 0:
                for i in range(stop - start):
                    h = v[i] + (x[i] - v[i]) * share
                    s[i] = one if h >= threshold else zero
                    v[i] = zero if h >= threshold else h
            else:
                for i in range(stop - start):
                    h = v[i] + (x[i] - v[i]) / tau
                    s[i] = one if h >= threshold else zero
                    v[i] = zero if h >= threshold else h


def leaky(currents: Tensor, spikes: Tensor, tau: float, threshold: float) -> None:
    """`kernels.leaky` of ``(T, M)`` currents, into ``spikes``, which may be the same memory."""
    x, s = currents.numpy(), spikes.numpy()
    number = x.dtype.type
    is_power_of_two = math.frexp(tau)[0] == 0.5  # then multiplying by its inverse gives the same, and is faster
    _leaky(x, s, number(tau), number(1 / tau if is_power_of_two else 0), number(threshold))
