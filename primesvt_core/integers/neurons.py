"""Which neurons compute in integers, and with how many bits."""

from __future__ import annotations

from dataclasses import dataclass
from math import frexp
from typing import Any

from torch import nn

from primesvt_core.errors import ExportError
from primesvt_core.layers.neurons import IF, LIF


@dataclass(frozen=True)
class Leak:
    """How a membrane forgets.

    Attributes:
        shift: of which two to the power is the time constant; None without leak.
        decay_input: whether the input is divided, too.
        threshold: at which it fires.
    """

    shift: int | None
    decay_input: bool
    threshold: float

    def exact_bits(self, time_steps: int) -> int:
        """Bits behind a unit that so many shifts, one after another, need."""
        return (self.shift or 0) * time_steps


def leak(path: str, neuron: nn.Module) -> Leak:
    """Of a neuron.

    Raises:
        ExportError: naming what cannot be done by shifts and comparisons of integers.
    """
    name = type(neuron).__name__
    if not isinstance(neuron, LIF | IF):
        raise ExportError(
            f"integer: {path} is a {name}, whose leak is no shift: the format holds leaky neurons whose time constant"
            " is a power of two, and neurons without leak"
        )
    settings: Any = neuron
    if settings.v_reset != 0.0:
        kind = "subtracts its threshold" if settings.v_reset is None else f"is reset to {settings.v_reset}"
        raise ExportError(f"integer: {path} {kind} when it fires; the format holds neurons that are reset to 0")
    if isinstance(neuron, IF):
        return Leak(None, False, float(settings.v_threshold))
    mantissa, exponent = frexp(float(settings.tau))
    if mantissa != 0.5 or exponent < 1:
        raise ExportError(f"integer: {path} has the time constant {settings.tau}, which is no power of two from 1 on")
    return Leak(exponent - 1, bool(settings.decay_input), float(settings.v_threshold))
