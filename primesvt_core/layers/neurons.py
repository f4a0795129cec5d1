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


class LIF(neuron.LIFNode):  # type: ignore[misc]  # spikingjelly is untyped
    """spikingjelly's LIF with a shorter way through inference: the same spikes, bit for bit, faster on a CPU.

    The short way is taken without gradients, from rest, with a hard reset to 0 and decaying input; everything else is
    spikingjelly's own.

    Attributes:
        has_shortcut: whether it takes the short way; the reference does not.
    """

    has_shortcut = True

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        """``(T, B, ...)`` currents to spikes."""
        from_rest = not isinstance(self.v, Tensor) and self.v == 0.0
        usual = self.v_reset == 0.0 and self.decay_input
        if not self.has_shortcut or torch.is_grad_enabled() or not from_rest or not usual or self.store_v_seq:
            spikes: Tensor = super().multi_step_forward(x_seq)
            return spikes
        return self._infer(x_seq)

    def _infer(self, x: Tensor) -> Tensor:
        # H[t] = V[t-1] + (X[t] - V[t-1]) / tau, S[t] = H[t] >= threshold, V[t] = H[t] * (1 - S[t]), from V = 0.
        spikes = torch.empty(x.shape, dtype=x.dtype, device=x.device)
        v = x[0] / self.tau
        for t in range(x.shape[0]):
            if t:
                v.add_(torch.sub(x[t], v).div_(self.tau))
            torch.ge(v, self.v_threshold, out=spikes[t])
            v.mul_(1 - spikes[t])
        self.v = v
        return spikes


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
    found: nn.Module = neuron.ParametricLIFNode(
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
        found = neuron.IFNode(**settings)
    elif kind == "plif":
        found = neuron.ParametricLIFNode(init_tau=tau, decay_input=decay_input, **settings)
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
    leaky = [module for module in model.modules() if isinstance(module, LIF)]
    for module in leaky:
        module.has_shortcut = False
    try:
        yield
    finally:
        for module in leaky:
            module.has_shortcut = True


def reset(model: nn.Module) -> None:
    """Forget all membrane potentials, as between two batches."""
    functional.reset_net(model)
