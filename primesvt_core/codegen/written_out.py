"""Layers and functions as a standalone model has them: each is copied as it stands here, so torch is all they use."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LIF(nn.Module):
    """A layer of leaky integrate-and-fire neurons: currents ``(T, B, ...)`` to spikes, from rest.

    H[t] = V[t-1] + (X[t] - V[t-1]) / tau    charge
    S[t] = 1 where H[t] >= threshold         fire
    V[t] = 0 where it fired, else H[t]       reset
    """

    def __init__(self, *, tau: float, threshold: float) -> None:
        super().__init__()
        self.tau, self.threshold = tau, threshold

    def forward(self, currents: Tensor) -> Tensor:
        v = torch.zeros_like(currents[0])
        spikes = []
        for x in currents:
            h = v + (x - v) / self.tau
            fired = (h >= self.threshold).to(h)
            v = h * (1 - fired)
            spikes.append(fired)
        return torch.stack(spikes)


class GeneralLIF(nn.Module):
    """A layer of leaky integrate-and-fire neurons: currents ``(T, B, ...)`` to spikes, from rest.

    H[t] = V[t-1] + (X[t] - (V[t-1] - rest)) / tau    charge, if the input decays; otherwise
    H[t] = V[t-1] - (V[t-1] - rest) / tau + X[t]
    S[t] = 1 where H[t] >= threshold                  fire
    V[t] = reset where it fired, else H[t]            reset; where it is None, V[t] = H[t] - threshold * S[t]

    The potential at rest is ``reset``, or 0 where that is None.
    """

    def __init__(self, *, tau: float, threshold: float, reset: float | None, decay_input: bool) -> None:
        super().__init__()
        self.tau, self.threshold, self.reset, self.decay_input = tau, threshold, reset, decay_input

    def charge(self, v: Tensor, x: Tensor) -> Tensor:
        above = v - self.reset if self.reset else v
        if self.decay_input:
            return v + (x - above) / self.tau
        return v - above / self.tau + x

    def forward(self, currents: Tensor) -> Tensor:
        v = torch.full_like(currents[0], self.reset or 0.0)
        spikes = []
        for x in currents:
            h = self.charge(v, x)
            fired = (h >= self.threshold).to(h)
            if self.reset is None:
                v = h - fired * self.threshold
            else:
                v = h * (1 - fired)
                if self.reset:
                    v = v + fired * self.reset
            spikes.append(fired)
        return torch.stack(spikes)


class PLIF(GeneralLIF):
    """The same with a trained time constant: ``1 / tau = sigmoid(w)``, by which is multiplied."""

    def __init__(self, *, threshold: float, reset: float | None, decay_input: bool) -> None:
        super().__init__(tau=0.0, threshold=threshold, reset=reset, decay_input=decay_input)
        self.w = nn.Parameter(torch.empty(()))

    def charge(self, v: Tensor, x: Tensor) -> Tensor:
        above, q = v - self.reset if self.reset else v, self.w.float().sigmoid()
        if self.decay_input:
            return v + (x - above) * q
        return v - above * q + x


class IF(GeneralLIF):
    """A layer of integrate-and-fire neurons without leak: ``H[t] = V[t-1] + X[t]``."""

    def __init__(self, *, threshold: float, reset: float | None) -> None:
        super().__init__(tau=1.0, threshold=threshold, reset=reset, decay_input=False)

    def charge(self, v: Tensor, x: Tensor) -> Tensor:
        return v + x


class MultiLevel(nn.Module):
    """Neurons without a membrane: currents, rounded to one of 0 ... ``levels``, divided by ``norm``.

    A level stands for that many spikes at once. Halves are rounded up, or to the even neighbour.
    """

    def __init__(self, *, levels: int, norm: int, half_up: bool) -> None:
        super().__init__()
        self.levels, self.norm, self.half_up = levels, norm, half_up

    def forward(self, currents: Tensor) -> Tensor:
        clamped = currents.clamp(0, self.levels)
        return (torch.floor(clamped + 0.5) if self.half_up else torch.round(clamped)) / self.norm


class PointwiseLinear(nn.Linear):
    """``Linear`` over the channels of tokens: ``(B, C, N) -> (B, C', N)``."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class PointwiseConv1d(nn.Conv1d):
    """A convolution of kernel 1 over tokens: ``(B, C, N) -> (B, C', N)``."""

    def __init__(self, channels: int, out_channels: int, bias: bool = True) -> None:
        super().__init__(channels, out_channels, 1, bias=bias)


class PointwiseConv2d(nn.Conv2d):
    """A convolution of kernel 1 x 1 over tokens: ``(B, C, N) -> (B, C', N)``."""

    def __init__(self, channels: int, out_channels: int, bias: bool = True) -> None:
        super().__init__(channels, out_channels, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.unsqueeze(-1)).squeeze(-1)


class NormAndPad(nn.Module):
    """BatchNorm, then a border one position wide of what it makes of zero: ``(B, C, H, W) -> (B, C, H + 2, W + 2)``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        x, bn = self.bn(x), self.bn
        mean, variance = bn.get_buffer("running_mean"), bn.get_buffer("running_var")
        border = bn.bias - mean * bn.weight / torch.sqrt(variance + bn.eps)
        B, C, H, W = x.shape
        padded = border.view(1, C, 1, 1).expand(B, C, H + 2, W + 2).clone()
        padded[:, :, 1:-1, 1:-1] = x
        return padded


def shown(images: Tensor, time_steps: int) -> Tensor:
    """Images ``(B, C, H, W)``, shown at every time step, or frames ``(B, T, C, H, W)``, as ``(T, B, C, H, W)``."""
    return images.unsqueeze(0).expand(time_steps, *images.shape) if images.dim() == 4 else images.transpose(0, 1)


def each_step(x: Tensor, *layers: nn.Module) -> Tensor:
    """Layers one after another on every time step alone: ``(T, B, ...)``, as one batch of ``T * B``.

    An image that is shown at every time step (one tensor, expanded) is computed once.
    """
    T, B = x.shape[:2]
    is_same = T > 1 and x.stride(0) == 0
    y = x[0] if is_same else x.flatten(0, 1)
    for layer in layers:
        y = layer(y)
    return y.unsqueeze(0).expand(T, *y.shape) if is_same else y.view(T, B, *y.shape[1:])


def attention(q: Tensor, k: Tensor, v: Tensor, *, heads: int, scale: float) -> Tensor:
    """Spiking self-attention: ``q (k^T v) * scale`` for every head, ``(T, B, C, N)``."""
    T, B, _, N = q.shape
    q, k, v = (x.reshape(T * B * heads, -1, N) for x in (q, k, v))
    values_by_keys = v @ k.transpose(1, 2)
    return ((values_by_keys @ q) * scale).view(T, B, -1, N)
