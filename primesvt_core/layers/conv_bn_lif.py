"""A pointwise layer with its BatchNorm and its neuron, under the public repositories' names."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from primesvt_core.layers.graph import Flow, Part, Signal
from primesvt_core.layers.neurons import lif


class ConvBnLif(Part):
    """Named triples ``<name>_<suffix>``, ``<name>_bn``, ``<name>_lif`` on ``(T, B, C, N)``.

    Args:
        suffix: ``conv`` or ``linear``; None where the triples are numbered: ``fc1``, ``bn1``, ``lif1``.
        neuron: makes the neurons.
        number_last: whether the number of a name ends it: ``fc_conv1``, ``fc_bn1``, ``fc_lif1``.
    """

    def __init__(self, suffix: str | None, neuron: Callable[[], nn.Module] = lif, *, number_last: bool = False) -> None:
        super().__init__()
        self.suffix, self.neuron, self.number_last = suffix, neuron, number_last

    def parts(self, name: str) -> tuple[str, str, str]:
        """Names of a triple's layer, BatchNorm and neuron."""
        if self.suffix is None:
            return name, f"bn{name[-1]}", f"lif{name[-1]}"
        if self.number_last:
            base, number = name[:-1], name[-1]
            return f"{base}_{self.suffix}{number}", f"{base}_bn{number}", f"{base}_lif{number}"
        return f"{name}_{self.suffix}", f"{name}_bn", f"{name}_lif"

    def add(self, name: str, layer: nn.Module, width: int, *, fires: bool = True) -> None:
        """Add a triple whose BatchNorm has ``width`` channels; without a neuron where it does not fire."""
        conv, bn, fire = self.parts(name)
        self.add_module(conv, layer)
        self.add_module(bn, nn.BatchNorm1d(width))
        if fires:
            self.add_module(fire, self.neuron())

    def conv_bn(self, flow: Flow, name: str, x: Signal) -> Signal:
        """Layer and BatchNorm of a triple: ``(T, B, C, N) -> (T, B, C', N)`` currents."""
        return flow.run(x, *(self.get_submodule(part) for part in self.parts(name)[:2]))

    def spike(self, flow: Flow, name: str, x: Signal) -> Signal:
        """The neuron of a triple alone: currents to spikes of the same shape."""
        return flow.fire(x, self.get_submodule(self.parts(name)[2]))

    def fire(self, flow: Flow, name: str, x: Signal) -> Signal:
        """The whole triple: ``(T, B, C, N) -> (T, B, C', N)`` spikes."""
        return self.spike(flow, name, self.conv_bn(flow, name, x))
