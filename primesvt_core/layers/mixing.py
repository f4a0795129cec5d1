"""Channel mixing with a BatchNorm and a neuron, under the public repositories' names."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from primesvt_core.layers.folding import folded
from primesvt_core.layers.neurons import lif
from primesvt_core.layers.pointwise import Pointwise, PointwiseConv2d


class Mixing(nn.Module):
    """Named triples ``<name>_<mixer>``, ``<name>_bn``, ``<name>_lif`` on ``(T, B, C, N)``."""

    def __init__(self, mixer: str, neuron: Callable[[], nn.Module] = lif) -> None:
        super().__init__()
        self.mixer, self.neuron = mixer, neuron

    def add(self, name: str, mix: nn.Module, width: int, *, fires: bool = True) -> None:
        """A triple whose BatchNorm has ``width`` channels; without a neuron where it does not fire."""
        self.add_module(f"{name}_{self.mixer}", mix)
        self.add_module(f"{name}_bn", nn.BatchNorm1d(width))
        if fires:
            self.add_module(f"{name}_lif", self.neuron())

    def mix(self, name: str, x: Tensor) -> Tensor:
        """Mixed and normalised: ``(T, B, C, N) -> (T, B, C', N)`` currents."""
        mix, bn = self.get_submodule(f"{name}_{self.mixer}"), self.get_submodule(f"{name}_bn")
        return folded(lambda y: bn(mix(y)), x)

    def spike(self, name: str, x: Tensor) -> Tensor:
        """The neuron alone."""
        spikes: Tensor = self.get_submodule(f"{name}_lif")(x)
        return spikes

    def fire(self, name: str, x: Tensor) -> Tensor:
        """Mixed, normalised, fired: spikes."""
        return self.spike(name, self.mix(name, x))


class Mlp(Mixing):
    """Two channel mixings over ``(T, B, D, N)``, a neuron behind each, or before each."""

    def __init__(
        self,
        width: int,
        hidden: int,
        *,
        names: tuple[str, str] = ("fc1", "fc2"),
        mix: Pointwise = PointwiseConv2d,
        mixer: str = "conv",
        neuron: Callable[[], nn.Module] = lif,
        neuron_first: bool = False,
    ) -> None:
        super().__init__(mixer, neuron)
        self.names, self.neuron_first = names, neuron_first
        self.add(names[0], mix(width, hidden), hidden)
        self.add(names[1], mix(hidden, width), width)

    def forward(self, x: Tensor) -> Tensor:
        for name in self.names:
            x = self.mix(name, self.spike(name, x)) if self.neuron_first else self.fire(name, x)
        return x
