"""Channel mixing with a BatchNorm and a neuron, under the public repositories' names."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from primesvt_core.layers.folding import folded
from primesvt_core.layers.neurons import lif
from primesvt_core.layers.pointwise import Pointwise, PointwiseConv2d


class Mixing(nn.Module):
    """Named triples ``<name>_<mixer>``, ``<name>_bn``, ``<name>_lif`` on ``(T, B, C, N)``.

    Without a ``mixer`` they are numbered: ``fc1``, ``bn1``, ``lif1``.
    """

    def __init__(self, mixer: str | None, neuron: Callable[[], nn.Module] = lif) -> None:
        super().__init__()
        self.mixer, self.neuron = mixer, neuron

    def parts(self, name: str) -> tuple[str, str, str]:
        """What mixing, BatchNorm and neuron of a triple are called."""
        if self.mixer is None:
            return name, f"bn{name[-1]}", f"lif{name[-1]}"
        return f"{name}_{self.mixer}", f"{name}_bn", f"{name}_lif"

    def add(self, name: str, mix: nn.Module, width: int, *, fires: bool = True) -> None:
        """A triple whose BatchNorm has ``width`` channels; without a neuron where it does not fire."""
        mixing, bn, fire = self.parts(name)
        self.add_module(mixing, mix)
        self.add_module(bn, nn.BatchNorm1d(width))
        if fires:
            self.add_module(fire, self.neuron())

    def mix(self, name: str, x: Tensor) -> Tensor:
        """Mixed and normalised: ``(T, B, C, N) -> (T, B, C', N)`` currents."""
        mix, bn = (self.get_submodule(part) for part in self.parts(name)[:2])
        return folded(lambda y: bn(mix(y)), x)

    def spike(self, name: str, x: Tensor) -> Tensor:
        """The neuron alone."""
        spikes: Tensor = self.get_submodule(self.parts(name)[2])(x)
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
        mixer: str | None = "conv",
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


class CurrentMlp(Mlp):
    """The same on a stream of currents, to which it adds: a neuron before each mixing.

    Where ``hidden`` is None, the hidden currents are as wide as the stream and are added to it, too.
    """

    def __init__(
        self, width: int, hidden: int | None, *, mixer: str | None = "conv", neuron: Callable[[], nn.Module] = lif
    ) -> None:
        super().__init__(width, hidden or width, mixer=mixer, neuron=neuron, neuron_first=True)
        self.is_tied = hidden is None

    def forward(self, x: Tensor) -> Tensor:
        """``(T, B, D, N)`` stream to the next stream."""
        first, second = self.names
        hidden = self.mix(first, self.spike(first, x))
        if self.is_tied:
            hidden = x = x + hidden
        return x + self.mix(second, self.spike(second, hidden))
