"""The inner loops of the engines: a form in torch for every device, and faster ones where numba or Triton is installed.

All compute what spikingjelly's neurons do, operation by operation, so that spikes are equal bit for bit.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from functools import cache
from typing import Literal

import torch
from torch import Tensor

Kernels = Literal["numba", "torch"]

SparseLayer = Callable[[Tensor], Tensor | None]

CHANNELS = 2
"""Their dimension in ``(T, B, C, ...)``."""

CHUNK = 1 << 15
"""Membranes that the torch form keeps at a time: few enough for the caches of a core, and for torch to use one thread,
which is faster here."""


def available() -> Kernels:
    """The fastest that this installation has."""
    return "numba" if importlib.util.find_spec("numba") else "torch"


@cache
def has_triton() -> bool:
    """Whether this installation can compile kernels for a GPU."""
    return importlib.util.find_spec("triton") is not None


def leaky(currents: Tensor, tau: float, threshold: float, kernels: Kernels, *, overwrite: bool) -> Tensor:
    """Leaky integrate-and-fire from rest, with hard reset to 0 and decaying input.

    ``H[t] = V[t-1] + (X[t] - V[t-1]) / tau``, a spike where ``H[t] >= threshold``, where ``V[t] = 0``.

    Args:
        currents: ``(T, ...)``; every step is dense in memory, in any order of its dimensions.
        tau: time constant.
        threshold: at which it fires.
        kernels: which form to use on the CPU; on a GPU it is Triton's where that is installed.
        overwrite: whether the spikes may take the currents' place.

    Returns:
        Spikes of the same shape, 0 or 1.
    """
    spikes = currents
    if not overwrite or currents.stride(0) == 0:  # steps that share memory are an image's
        step = currents[0]
        strides = (step.numel(), *step.stride())
        spikes = torch.empty_strided(currents.shape, strides, dtype=currents.dtype, device=currents.device)
    if is_native(kernels, currents):
        from primesvt_core.engines import native  # compiles when it is first used

        exact = is_power_of_two(tau)
        native.leaky(_rows(currents), _rows(spikes), tau, threshold, tau_divides_exactly=exact)
    elif currents.is_cuda and currents.dtype == torch.float32 and has_triton():
        from primesvt_core.engines import cuda_kernels

        exact = is_power_of_two(tau)
        cuda_kernels.leaky(_rows(currents), _rows(spikes), tau, threshold, tau_divides_exactly=exact)
    else:
        _leaky(_rows(currents), _rows(spikes), tau, threshold)
    return spikes


def sparse_layer(weight: Tensor, bias: Tensor, stride: int, padding: int, kernels: Kernels) -> SparseLayer | None:
    """A convolution ``(C', C, k, k)`` with equal sides and without groups, for inputs that are mostly zero.

    Returns:
        From ``(..., H, W, C)``, or ``(..., C)`` where k is 1, to the same of C', or to None if too few inputs are zero
        for it to be faster. None where there is no such form: torch has none.
    """
    if not is_native(kernels, weight):
        return None
    from primesvt_core.engines.native_products import Product  # compiles when it is first used

    return Product(weight, bias, stride, padding)


def is_native(kernels: Kernels, like: Tensor) -> bool:
    """Whether what is computed with a tensor has a form in numba."""
    return kernels == "numba" and like.device.type == "cpu"


def normalize(x: Tensor, mean: Tensor, inverse: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """`native.normalize`, which numba alone has."""
    from primesvt_core.engines import native

    return native.normalize(x, mean, inverse, weight, bias)


def pack(x: Tensor, kernels: Kernels) -> Tensor:
    """Spikes ``(T, B, C, ...)`` and sums of spikes as bytes; anything else as it is."""
    if is_native(kernels, x) and x.dim() > CHANNELS and x.movedim(CHANNELS, -1).is_contiguous():
        from primesvt_core.engines import native

        found = native.pack(x.movedim(CHANNELS, -1))
        return x if found is None else found.movedim(-1, CHANNELS)
    small = x.to(torch.uint8)
    return small if torch.equal(small.to(x.dtype), x) else x


def attend(q: Tensor, k: Tensor, v: Tensor, *, num_heads: int, scale: float, kernels: Kernels) -> Tensor:
    """`spiking_self_attention` for channels that lie last in memory: the same integers."""
    if is_native(kernels, q):
        from primesvt_core.engines import native_products

        sparse = native_products.attend(q.movedim(2, -1), k.movedim(2, -1), v.movedim(2, -1), num_heads, scale)
        if sparse is not None:
            return sparse.movedim(-1, 2)
    T, B, _, N = q.shape
    queries, keys, values = (x.flatten(0, 1).transpose(1, 2).reshape(T * B, N, num_heads, -1) for x in (q, k, v))
    products = keys.permute(0, 2, 3, 1) @ values.transpose(1, 2)  # (M, heads, C_qk, C_v)
    attended = (queries.transpose(1, 2) @ products).mul_(scale)  # (M, heads, N, C_v)
    found: Tensor = attended.transpose(1, 2).reshape(T, B, N, -1).transpose(2, 3)
    return found


def _rows(x: Tensor) -> Tensor:
    """``(T, M)``: every step in the order in which it lies in memory."""
    steps = x.shape[0]
    return x.as_strided((steps, x.numel() // steps), (x.stride(0), 1))


def _leaky(currents: Tensor, spikes: Tensor, tau: float, threshold: float) -> None:
    steps, size = currents.shape
    chunk = size if currents.is_cuda else CHUNK
    for start in range(0, size, chunk):
        here = slice(start, min(start + chunk, size))
        v, change = torch.zeros_like(currents[0, here]), torch.empty_like(currents[0, here])
        for t in range(steps):
            torch.sub(currents[t, here], v, out=change)
            if is_power_of_two(tau):
                v.add_(change, alpha=1 / tau)
            else:
                v.add_(change.div_(tau))
            torch.ge(v, threshold, out=spikes[t, here])
            v.addcmul_(v, spikes[t, here], value=-1)  # exactly 0 where it fired


def is_power_of_two(number: float) -> bool:
    """Whether multiplying by its inverse gives what dividing by it does."""
    return math.frexp(number)[0] == 0.5
