"""A model whose neurons are plain operations, time step by time step: no state lies in any module.

Every neuron computes the operations that spikingjelly's does, in the same order, so that what is traced of the model
fires as the model itself does; only a product with one or zero is written as a choice.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from spikingjelly.activation_based import neuron
from torch import Tensor, nn

from primesvt_core.errors import ExportError
from primesvt_core.layers.model import SpikingModel
from primesvt_core.layers.neurons import IF, LIF, PLIF, MultiLevelNeuron, neurons

Charge = Callable[[Tensor | None, Tensor], Tensor]
"""Potentials before a time step, None at rest at 0, and its currents to potentials after it."""


class UnrolledNeuron(nn.Module):
    """A neuron over ``(T, B, ...)``, from rest, without a state between calls.

    Args:
        node: whose settings it has.
        charge: how it is charged.
    """

    def __init__(self, node: neuron.BaseNode, charge: Charge) -> None:
        super().__init__()
        self.charge = charge
        self.threshold = float(node.v_threshold)
        self.v_reset = None if node.v_reset is None else float(node.v_reset)

    def forward(self, x: Tensor) -> Tensor:
        """Currents to spikes of the same shape."""
        steps = x.shape[0]
        is_repeated = steps > 1 and x.stride(0) == 0
        first = x[0]
        v = torch.full_like(first, self.v_reset) if self.v_reset else None
        spikes = []
        for t in range(steps):
            v = self.charge(v, first if is_repeated else x[t])
            fired = v >= self.threshold
            spikes.append(fired.to(x.dtype))
            if t + 1 < steps:
                v = self._reset(v, fired, spikes[-1])
        return torch.stack(spikes)

    def _reset(self, v: Tensor, fired: Tensor, spikes: Tensor) -> Tensor:
        if self.v_reset is None:
            return v - spikes * self.threshold
        return torch.where(fired, self.v_reset, v)


def unroll(model: SpikingModel) -> SpikingModel:
    """Replace every neuron of a model, which is changed, by one without a state.

    Raises:
        ExportError: if it has a neuron that is none of those.
    """
    for name, node in [*neurons(model)]:
        if isinstance(node, MultiLevelNeuron):
            continue
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, UnrolledNeuron(node, _charge(name, node)))
    return model


def _charge(name: str, node: nn.Module) -> Charge:
    if isinstance(node, IF):
        return lambda v, x: x if v is None else v + x
    if not isinstance(node, LIF | PLIF):
        raise ExportError(f"{name} is a {type(node).__name__}, which this exporter does not know")
    rest, decays_input = node.v_reset or 0.0, bool(node.decay_input)
    scaled = _scaling(node)

    def charge(v: Tensor | None, x: Tensor) -> Tensor:
        if v is None:
            return scaled(x) if decays_input else x
        above = v - rest if rest else v
        return v + scaled(x - above) if decays_input else v - scaled(above) + x

    return charge


def _scaling(node: LIF | PLIF) -> Callable[[Tensor], Tensor]:
    """Division by the time constant; by a power of two a product is the same, bit for bit, and faster."""
    if isinstance(node, PLIF):
        share = float(node.w.detach().float().sigmoid())
        return lambda x: x * share
    tau = float(node.tau)
    inverse = 1.0 / tau
    return (lambda x: x * inverse) if tau in (2.0, 4.0, 8.0, 16.0) else (lambda x: x / tau)
