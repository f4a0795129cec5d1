"""Leaky neurons that learn: the spikes and gradients of spikingjelly's, with one potential a time step in memory.

spikingjelly records every operation of every time step for the gradient. Here the potentials before the spike are kept,
and the gradient goes back through the time steps in one loop, part by part, so that its values stay in the caches of a
core.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

CHUNK = 1 << 16
"""Membranes at a time."""


class Slope(Protocol):
    """The gradient that a spike is given, one of `spikingjelly.activation_based.surrogate`."""

    alpha: float

    @staticmethod
    def backward(grad_output: Tensor, x: Tensor, alpha: float) -> Tensor:
        """The gradient of the potential above the threshold, ``x``, from that of the spike."""


class _Saved(FunctionCtx):
    saved_tensors: tuple[Tensor, ...]
    tau: float
    threshold: float
    slope: Slope


class _Leaky(torch.autograd.Function):
    """Leaky integrate-and-fire from rest, decaying input, hard reset to 0 that no gradient goes through."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, tau: float, threshold: float, slope: Slope) -> tuple[Tensor, Tensor]:
        """``(T, ...)`` currents to spikes, and the potentials ``(...)`` that are left."""
        currents = x.contiguous().view(len(x), -1)
        charged, spikes = torch.empty_like(currents), torch.empty_like(currents)
        left = torch.empty_like(currents[0])
        for start in range(0, currents.shape[1], CHUNK):
            here = slice(start, start + CHUNK)
            v = left[here].zero_()
            for t in range(len(x)):
                h = torch.sub(currents[t, here], v, out=charged[t, here]).div_(tau).add_(v)
                fired = torch.ge(h, threshold, out=spikes[t, here])
                v.copy_(h).addcmul_(h, fired, value=-1)
        ctx.save_for_backward(charged)
        ctx.tau, ctx.threshold, ctx.slope = tau, threshold, slope
        ctx.mark_non_differentiable(left)
        return spikes.view(x.shape), left.view(x.shape[1:])

    @staticmethod
    @once_differentiable
    def backward(ctx: _Saved, of_spikes: Tensor, _of_left: Tensor) -> tuple[Tensor, None, None, None]:
        """From the gradient of the spikes that of the currents."""
        (charged,) = ctx.saved_tensors
        given = of_spikes.contiguous().view(charged.shape)
        found = torch.empty_like(charged)
        for start in range(0, charged.shape[1], CHUNK):
            here = slice(start, start + CHUNK)
            later: Tensor | None = None
            for t in reversed(range(len(charged))):
                x = charged[t, here] - ctx.threshold
                one = ctx.slope.backward(given[t, here], x, ctx.slope.alpha)
                if later is not None:  # the potential of the next step, where this one fired none
                    one = one.addcmul(later, (x < 0).to(x.dtype))
                torch.div(one, ctx.tau, out=found[t, here])
                later = one - found[t, here]
        return found.view(of_spikes.shape), None, None, None


def leaky(x: Tensor, tau: float, threshold: float, slope: Slope) -> tuple[Tensor, Tensor]:
    """Spikes of a leaky neuron, through which gradients go, and the potentials that are left.

    ``H[t] = V[t-1] + (X[t] - V[t-1]) / tau``, a spike where ``H[t] >= threshold``, where ``V[t] = 0``.

    Args:
        x: ``(T, ...)`` currents.
        tau: time constant.
        threshold: at which it fires.
        slope: gradient of a spike.
    """
    found: tuple[Tensor, Tensor] = _Leaky.apply(x, tau, threshold, slope)  # type: ignore[no-untyped-call]
    return found
