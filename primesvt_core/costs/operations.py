"""What spikes make a network compute for one image, and the energy that this is said to take.

A layer whose input is spikes adds a weight for every spike and every place that the spike reaches; an integer level
counts as that many spikes. Layers that see anything else multiply. The energies are those that the field quotes for
float32 in 45 nm CMOS: of the arithmetic alone, neither of memory nor of what moves data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from primesvt_core.costs import macs
from primesvt_core.costs._base import Count, Network, Sizes, added, elements, polynomial, scaled

JOULES_PER_MAC = 4.6e-12
"""A multiply-accumulate in float32, 45 nm (Horowitz, ISSCC 2014)."""

JOULES_PER_AC = 0.9e-12
"""An accumulate in float32, 45 nm (likewise)."""

ENERGY_SOURCE = "45 nm CMOS, float32 (Horowitz, ISSCC 2014); arithmetic alone, without memory"

PARTS = 1_000_000
"""Of an operation, in which estimates are counted: costs are whole numbers."""


@dataclass(frozen=True, kw_only=True)
class Operations:
    """What a network computes for one image over all time steps, the mean over some images.

    Attributes:
        by_spikes: accumulates by layers whose input is spikes, by the name of the layer's weight.
        multiplied: multiply-accumulates of the other layers, zeros counted; likewise.
        attention: multiply-accumulates of values with each other, zeros counted.
    """

    by_spikes: Mapping[str, float]
    multiplied: Mapping[str, float]
    attention: float = 0.0

    @property
    def synaptic(self) -> float:
        """Accumulates that spikes cause, of all layers."""
        return sum(self.by_spikes.values())

    @property
    def multiply_accumulates(self) -> float:
        """Of layers whose input is no spikes."""
        return sum(self.multiplied.values())

    @property
    def joules(self) -> float:
        """Energy of one image; each product of attention, whose factors are spikes, counts as an accumulate."""
        return JOULES_PER_MAC * self.multiply_accumulates + JOULES_PER_AC * (self.synaptic + self.attention)


def attention(network: Network) -> Count:
    """Multiply-accumulates of values with each other, as in attention, zeros counted, at any channels left."""
    return macs.of(replace(network, geometry=replace(network.geometry, positions={})))


def estimate(network: Network, whole: Operations) -> Callable[[Sizes], float]:
    """Accumulates that spikes cause at any channels left, if those that are left fire as the original's do on average.

    Args:
        network: unpruned.
        whole: what it was measured to compute.
    """
    sizes = elements(network)
    layers = (
        scaled(sizes[name], round(PARTS * found / polynomial(sizes[name], network.groups)({})))
        for name, found in whole.by_spikes.items()
    )
    count = polynomial(added(*layers), network.groups)
    return lambda left: count(left) / PARTS
