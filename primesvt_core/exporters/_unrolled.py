"""A model whose neurons are one operation each, without a state, which unrolls over time where it is translated.

It computes what spikingjelly's neurons do, by the same operations in the same order, so that what is traced fires as
the model itself does; only a product with one or zero is written as a choice. One operation is traced once, not once
for every time step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from spikingjelly.activation_based import neuron
from torch import Tensor, nn

from primesvt_core.errors import ExportError
from primesvt_core.layers.model import SpikingModel
from primesvt_core.layers.neurons import IF, LIF, PLIF, MultiLevelNeuron, neurons

INTEGRATES, DECAYS_INPUT, DECAYS = 0, 1, 2
"""How potentials ``V`` are charged with currents ``X``, from rest ``r``: ``V + X``; ``V + (X - (V - r)) q``;
``V - (V - r) q + X``."""

POWERS_OF_TWO = (2.0, 4.0, 8.0, 16.0)

SCHEMA = (
    "(Tensor x, int steps, int charge, float scale, bool divides, float threshold, float rest, bool subtracts)"
    " -> Tensor"
)


class Operators(Protocol):
    """The arithmetic that a neuron is written in: torch's, or nodes of a graph."""

    def add(self, x: Any, y: Any) -> Any: ...
    def subtract(self, x: Any, y: Any) -> Any: ...
    def multiply(self, x: Any, y: Any) -> Any: ...
    def divide(self, x: Any, y: Any) -> Any: ...
    def reaches(self, x: Any, y: float) -> Any: ...
    def as_number(self, fired: Any, like: Any) -> Any: ...
    def choose(self, fired: Any, x: float, y: Any) -> Any: ...


@dataclass(frozen=True)
class Settings:
    """All that changes what a neuron computes.

    Attributes:
        charge: one of the three ways.
        scale: what decays is multiplied by, or, where it ``divides``, divided by.
        divides: whether it is.
        threshold: at which it fires.
        rest: where it begins, and is after a spike, unless that ``subtracts`` the threshold.
        subtracts: whether it does.
    """

    charge: int
    scale: float
    divides: bool
    threshold: float
    rest: float
    subtracts: bool


def fire(op: Operators, currents: list[Any], own: Settings) -> list[Any]:
    """Spikes of every time step, from rest."""
    v, spikes = None, []
    for t, x in enumerate(currents):
        v = _charged(op, v, x, own)
        fired = op.reaches(v, own.threshold)
        spikes.append(op.as_number(fired, x))
        if t + 1 < len(currents):
            v = _reset(op, v, fired, spikes[-1], own)
    return spikes


def _charged(op: Operators, v: Any | None, x: Any, own: Settings) -> Any:
    scaled: Callable[[Any], Any] = lambda y: op.divide(y, own.scale) if own.divides else op.multiply(y, own.scale)  # noqa: E731
    if v is None and own.rest == 0:
        return scaled(x) if own.charge == DECAYS_INPUT else x
    if v is None:  # at rest, above which nothing is yet
        return op.add(scaled(x), own.rest) if own.charge == DECAYS_INPUT else op.add(x, own.rest)
    if own.charge == INTEGRATES:
        return op.add(v, x)
    above = op.subtract(v, own.rest) if own.rest else v
    if own.charge == DECAYS_INPUT:
        return op.add(v, scaled(op.subtract(x, above)))
    return op.add(op.subtract(v, scaled(above)), x)


def _reset(op: Operators, v: Any, fired: Any, spikes: Any, own: Settings) -> Any:
    if own.subtracts:
        return op.subtract(v, op.multiply(spikes, own.threshold))
    return op.choose(fired, own.rest, v)


class _Torch:
    """torch's arithmetic."""

    def add(self, x: Tensor, y: Tensor | float) -> Tensor:
        return x + y

    def subtract(self, x: Tensor, y: Tensor | float) -> Tensor:
        return x - y

    def multiply(self, x: Tensor, y: Tensor | float) -> Tensor:
        return x * y

    def divide(self, x: Tensor, y: Tensor | float) -> Tensor:
        return x / y

    def reaches(self, x: Tensor, y: float) -> Tensor:
        return x >= y

    def as_number(self, fired: Tensor, like: Tensor) -> Tensor:
        return fired.to(like.dtype)

    def choose(self, fired: Tensor, x: float, y: Tensor) -> Tensor:
        return torch.where(fired, x, y)


@torch.library.custom_op("primesvt::fire", mutates_args=(), schema=SCHEMA)
def fire_operator(
    x: Tensor, steps: int, charge: int, scale: float, divides: bool, threshold: float, rest: float, subtracts: bool
) -> Tensor:
    """Currents ``(T, B, ...)``, or ``(1, B, ...)`` that are the same at all ``steps``, to spikes ``(T, B, ...)``."""
    currents = [x[t if len(x) > 1 else 0] for t in range(steps)]
    return torch.stack(fire(_Torch(), currents, Settings(charge, scale, divides, threshold, rest, subtracts)))


@fire_operator.register_fake
def _shape(x: Tensor, steps: int, *_settings: object) -> Tensor:
    return x.new_empty((steps, *x.shape[1:]))


class UnrolledNeuron(nn.Module):
    """A neuron over ``(T, B, ...)``, from rest, without a state between calls."""

    def __init__(self, own: Settings) -> None:
        super().__init__()
        self.own = own

    def forward(self, x: Tensor) -> Tensor:
        """Currents to spikes of the same shape."""
        steps, own = x.shape[0], self.own
        once = x[:1] if steps > 1 and x.stride(0) == 0 else x
        spikes: Tensor = torch.ops.primesvt.fire(
            once, steps, own.charge, own.scale, own.divides, own.threshold, own.rest, own.subtracts
        )
        return spikes


def unroll(model: SpikingModel) -> SpikingModel:
    """Replace every neuron with a membrane of a model, which is changed, by one without a state.

    Raises:
        ExportError: if it has a neuron that is none of those.
    """
    for name, node in [*neurons(model)]:
        if not isinstance(node, MultiLevelNeuron):
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, UnrolledNeuron(_settings(name, node)))
    return model


def _settings(name: str, node: nn.Module) -> Settings:
    if not isinstance(node, IF | LIF | PLIF):
        raise ExportError(f"{name} is a {type(node).__name__}, which this exporter does not know")
    charge, scale, divides = _charging(node)
    return Settings(
        charge=charge,
        scale=scale,
        divides=divides,
        threshold=float(node.v_threshold),
        rest=float(node.v_reset or 0.0),
        subtracts=node.v_reset is None,
    )


def _charging(node: neuron.BaseNode) -> tuple[int, float, bool]:
    """How it is charged; by a power of two a product is a quotient, bit for bit, and faster."""
    if isinstance(node, IF):
        return INTEGRATES, 1.0, False
    charge = DECAYS_INPUT if node.decay_input else DECAYS
    if isinstance(node, PLIF):
        return charge, float(node.w.detach().float().sigmoid()), False
    tau = float(node.tau)
    return (charge, 1.0 / tau, False) if tau in POWERS_OF_TWO else (charge, tau, True)
