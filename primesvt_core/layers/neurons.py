"""Spiking neurons: spikingjelly's, with the settings of the public code."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

# Importing spikingjelly registers custom operators, for which torch logs twice that Triton is missing on a CPU build.
logging.getLogger("torch._library.triton").setLevel(logging.ERROR)

import torch  # noqa: E402
from spikingjelly.activation_based import functional, neuron, surrogate  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from primesvt_core.layers.surrogates import leaky  # noqa: E402

SLOPES = (surrogate.Sigmoid, surrogate.ATan)
"""Gradients of a spike for which leaky neurons have a shorter way to learn."""


class ShortWay:
    """A shorter way through inference: the same spikes, bit for bit, faster on a CPU, with two membranes in memory.

    spikingjelly's own keeps what every time step computes until the last one: up to four times the currents. The short
    way is taken from rest, in single precision; with gradients (`surrogates`) by leaky neurons alone.

    Attributes:
        has_shortcut: whether it takes the short way; the reference does not.
    """

    has_shortcut = True
    v: float | Tensor
    v_threshold: float
    v_reset: float | None
    store_v_seq: bool

    def charged(self, v: Tensor, x: Tensor) -> Tensor:
        """Potentials after the currents ``x`` of one time step, from those before, which may be overwritten."""
        raise NotImplementedError

    def first_charged(self, x: Tensor) -> Tensor:
        """The same from rest."""
        return self.charged(torch.full_like(x, self.v_reset or 0.0), x)

    def learned(self, x: Tensor) -> Tensor | None:
        """Spikes with their gradient, by a shorter way; None where there is none."""
        return None

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        """``(T, B, ...)`` currents to spikes."""
        from_rest = not isinstance(self.v, Tensor) and self.v == (self.v_reset or 0.0)
        is_usual = from_rest and self.has_single_precision(x_seq) and not self.store_v_seq
        if self.has_shortcut and is_usual:
            short = self.learned(x_seq) if torch.is_grad_enabled() else self._infer(x_seq)
            if short is not None:
                return short
        spikes: Tensor = super().multi_step_forward(x_seq)  # type: ignore[misc]
        return spikes

    def has_single_precision(self, x: Tensor) -> bool:
        """Whether spikingjelly computes in the precision of the currents: in others it rounds them first."""
        return x.dtype == torch.float32

    def _infer(self, x: Tensor) -> Tensor:
        spikes = torch.empty(x.shape, dtype=x.dtype, device=x.device)
        v = self.first_charged(x[0])
        for t in range(x.shape[0]):
            v = self.charged(v, x[t]) if t else v
            torch.ge(v, self.v_threshold, out=spikes[t])
            if self.v_reset is None:
                v.sub_(spikes[t] * self.v_threshold)
            else:
                v.mul_(1 - spikes[t])
                if self.v_reset:
                    v.add_(spikes[t] * self.v_reset)
        self.v = v
        return spikes


class LIF(ShortWay, neuron.LIFNode):  # type: ignore[misc]  # spikingjelly is untyped
    """spikingjelly's LIF."""

    tau: float
    decay_input: bool
    detach_reset: bool
    surrogate_function: surrogate.SurrogateFunctionBase

    def has_single_precision(self, x: Tensor) -> bool:
        """The usual settings compute in every precision."""
        return super().has_single_precision(x) or self._is_usual

    def learned(self, x: Tensor) -> Tensor | None:
        """Where nothing unusual is asked for: with hard reset, through which no gradient goes."""
        slope = self.surrogate_function
        if not (self._is_usual and self.detach_reset and slope.spiking and type(slope) in SLOPES):
            return None
        spikes, self.v = leaky(x, self.tau, self.v_threshold, slope)
        return spikes

    @property
    def _is_usual(self) -> bool:
        return self.v_reset == 0.0 and self.decay_input

    def first_charged(self, x: Tensor) -> Tensor:
        """``X / tau``, as a rule."""
        return x / self.tau if self._is_usual else super().first_charged(x)

    def charged(self, v: Tensor, x: Tensor) -> Tensor:
        """``H = V + (X - (V - r)) / tau``, or ``V - (V - r) / tau + X``."""
        above = v - self.v_reset if self.v_reset else v
        if self.decay_input:
            return torch.sub(x, above).div_(self.tau).add_(v)
        return v.sub_(above / self.tau).add_(x)


class PLIF(ShortWay, neuron.ParametricLIFNode):  # type: ignore[misc]
    """spikingjelly's LIF with a trained time constant."""

    w: nn.Parameter
    decay_input: bool

    def charged(self, v: Tensor, x: Tensor) -> Tensor:
        """``H = V + (X - (V - r)) q``, or ``V - (V - r) q + X``, with ``q = sigmoid(w)``."""
        above, q = v - self.v_reset if self.v_reset else v, self.w.float().sigmoid()
        if self.decay_input:
            return torch.sub(x, above).mul_(q).add_(v)
        return v.sub_(above * q).add_(x)


class IF(ShortWay, neuron.IFNode):  # type: ignore[misc]
    """spikingjelly's neuron without leak."""

    def charged(self, v: Tensor, x: Tensor) -> Tensor:
        """``H = V + X``."""
        return v.add_(x)


class StoredSlope(nn.Module):
    """The slope of the gradient that training pretends a spike has, in the state dict; nothing else reads it."""

    alpha: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("alpha", torch.tensor(4.0))


class StoredLIF(LIF):
    """One that keeps its threshold, and the slope, in the state dict as scalars, as BrainCog's neurons do."""

    threshold: Tensor
    act_fun: StoredSlope

    def __init__(self, *, threshold: float) -> None:
        super().__init__(
            tau=2.0, v_threshold=threshold, surrogate_function=_gradient(False), detach_reset=True, step_mode="m"
        )
        self.act_fun = StoredSlope()

    @property
    def v_threshold(self) -> float:
        """At which it fires, as stored."""
        return float(self.threshold)

    @v_threshold.setter
    def v_threshold(self, value: float) -> None:
        self.register_buffer("threshold", torch.tensor(value))


def stored_lif(*, threshold: float = 1.0) -> nn.Module:
    """`lif` with its threshold in the state dict."""
    return StoredLIF(threshold=threshold)


def lif(*, threshold: float = 1.0, tau: float = 2.0, arctan: bool = False) -> nn.Module:
    """Leaky integrate-and-fire over ``(T, B, ...)``: hard reset to 0, decaying input, fires at ``>= threshold``.

    ``arctan`` chooses the gradient that training pretends a spike has, a sigmoid's otherwise.
    """
    return LIF(tau=tau, v_threshold=threshold, surrogate_function=_gradient(arctan), detach_reset=True, step_mode="m")


def _gradient(arctan: bool) -> nn.Module:
    found: nn.Module = surrogate.ATan() if arctan else surrogate.Sigmoid()
    return found


def plif(*, threshold: float = 1.0, arctan: bool = False) -> nn.Module:
    """The same with a trained time constant, from 2 on: one scalar ``w``, ``1 / tau = sigmoid(w)``."""
    found: nn.Module = PLIF(
        init_tau=2.0,
        v_threshold=threshold,
        surrogate_function=_gradient(arctan),
        detach_reset=True,
        step_mode="m",
    )
    return found


Kind = Literal["lif", "plif", "if"]
"""Leaky; leaky with a trained time constant; without leak."""


def make_neuron(kind: Kind, *, tau: float, threshold: float, v_reset: float | None, decay_input: bool) -> nn.Module:
    """A neuron with every setting that changes what it computes.

    Args:
        kind: of neuron.
        tau: time constant, above 1; where it is trained, what it starts from.
        threshold: at which it fires.
        v_reset: potential after a spike and at rest; None: a spike subtracts the threshold.
        decay_input: whether the input is divided by ``tau`` as the potential is.
    """
    settings = {"v_threshold": threshold, "v_reset": v_reset, "detach_reset": True, "step_mode": "m"}
    found: nn.Module
    if kind == "if":
        found = IF(**settings)
    elif kind == "plif":
        found = PLIF(init_tau=tau, decay_input=decay_input, **settings)
    else:
        found = LIF(tau=tau, decay_input=decay_input, **settings)
    return found


class UnusedParameter(nn.Module):
    """The ``w`` of a parametric neuron that a checkpoint has and no forward pass uses."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(()))


class UnusedThreshold(nn.Module):
    """What a neuron stores that a checkpoint has and no forward pass runs; as of `StoredLIF`."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("threshold", torch.tensor(1.0))
        self.act_fun = StoredSlope()


class MultiLevelNeuron(nn.Module):
    """A neuron without a membrane: rounds to one of the integers 0 ... ``levels`` and divides by ``norm``.

    Stands for up to ``levels`` spikes at once (E-SpikeFormer, arXiv 2411.16061). Its gradient is that of the clamping.

    Args:
        levels: the largest integer.
        norm: what it is divided by.
        half_up: whether halves are rounded up; to the even neighbour otherwise.
    """

    def __init__(self, levels: int = 4, norm: int = 4, *, half_up: bool = False) -> None:
        super().__init__()
        self.levels, self.norm, self.half_up = levels, norm, half_up

    def forward(self, x: Tensor) -> Tensor:
        clamped = x.clamp(0, self.levels)
        rounded = torch.floor(clamped + 0.5) if self.half_up else torch.round(clamped)
        return (clamped + (rounded - clamped).detach() if torch.is_grad_enabled() else rounded) / self.norm


def neurons(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Every neuron layer of ``model`` with its name."""
    return (
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, neuron.BaseNode | MultiLevelNeuron)
    )


def spikes_of(module: nn.Module, output: Tensor) -> Tensor:
    """How many spikes the output of a neuron layer stands for, element by element."""
    return (output * module.norm).round() if isinstance(module, MultiLevelNeuron) else output


def steps_of(module: nn.Module) -> int:
    """How many time steps one element of a neuron layer's output stands for."""
    return module.levels if isinstance(module, MultiLevelNeuron) else 1


@contextmanager
def as_spikingjelly_has_them(model: nn.Module) -> Iterator[None]:
    """Let neurons compute as spikingjelly wrote them, without a short way."""
    short = [module for module in model.modules() if isinstance(module, ShortWay)]
    for module in short:
        module.has_shortcut = False
    try:
        yield
    finally:
        for module in short:
            module.has_shortcut = True


def reset(model: nn.Module) -> None:
    """Forget all membrane potentials, as between two batches."""
    functional.reset_net(model)
