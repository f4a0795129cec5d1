"""The inner loops on a GPU, in Triton, which comes with torch's builds for CUDA; imported where it is there alone."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 1024
"""Membranes of one program."""


def leaky(currents: Tensor, spikes: Tensor, tau: float, threshold: float, *, tau_divides_exactly: bool) -> None:
    """Write the spikes of leaky neurons: as `kernels.leaky`, from ``(T, M)`` float32 to the same; may be in place."""
    steps, size = currents.shape
    with torch.cuda.device(currents.device):
        _leaky[(triton.cdiv(size, BLOCK),)](
            currents, spikes, size, steps, currents.stride(0), spikes.stride(0), tau, 1.0 / tau, threshold,
            exact=tau_divides_exactly, block=BLOCK,
        )  # fmt: skip


@triton.jit  # type: ignore[untyped-decorator]
def _leaky(  # type: ignore[no-untyped-def]
    currents, spikes, size, steps, step_in, step_out, tau, inverse, threshold, exact: tl.constexpr, block: tl.constexpr
):
    at = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    inside = at < size
    v = tl.zeros((block,), tl.float32)
    for t in range(steps):
        x = tl.load(currents + t * step_in + at, mask=inside, other=0.0)
        change = x - v
        # Rounded as torch rounds: a product with a power of two is exact, a quotient is rounded before it is added.
        v = v + change * inverse if exact else v + tl.div_rn(change, tau)
        fired = v >= threshold
        tl.store(spikes + t * step_out + at, fired.to(tl.float32), mask=inside)
        v = tl.where(fired, 0.0, v)
