"""Kernels in numba. They compile once a version of this file; the cache is numba's own."""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from torch import Tensor

BLOCK = 2048
"""Membranes that a thread keeps at a time."""


@njit(cache=True, parallel=True, nogil=True)  # type: ignore[untyped-decorator]
def _leaky(currents, spikes, tau, threshold):  # type: ignore[no-untyped-def]
    steps, size = currents.shape
    zero, one = spikes.dtype.type(0), spikes.dtype.type(1)
    for block in prange((size + BLOCK - 1) // BLOCK):
        start = block * BLOCK
        stop = min(start + BLOCK, size)
        v = np.zeros(stop - start, spikes.dtype)
        for t in range(steps):
            x, s = currents[t, start:stop], spikes[t, start:stop]
            for i in range(stop - start):
                h = v[i] + (x[i] - v[i]) / tau
                fires = h >= threshold
                s[i] = one if fires else zero
                v[i] = zero if fires else h


def leaky(currents: Tensor, spikes: Tensor, tau: float, threshold: float) -> None:
    """`kernels.leaky` of ``(T, M)`` currents, into ``spikes``, which may be the same memory."""
    x, s = currents.numpy(), spikes.numpy()
    _leaky(x, s, x.dtype.type(tau), x.dtype.type(threshold))
