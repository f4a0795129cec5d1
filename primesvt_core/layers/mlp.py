"""The MLP of a block: two pointwise layers over tokens."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from primesvt_core.layers.conv_bn_lif import ConvBnLif
from primesvt_core.layers.graph import Flow, Signal
from primesvt_core.layers.neurons import lif
from primesvt_core.layers.pointwise import Pointwise, PointwiseConv2d


class Mlp(ConvBnLif):
    """Two pointwise layers, a neuron behind each, or before each.

    Args:
        width: channels of the residual stream.
        hidden: channels between the layers.
        names: of the two layers.
        pointwise: kind of the layers.
        suffix: of their names; None where they are numbered.
        neuron: makes the neurons.
        neuron_first: whether each neuron stands before its layer.
        number_last: as of `ConvBnLif`.
    """

    def __init__(
        self,
        width: int,
        hidden: int,
        *,
        names: tuple[str, str] = ("fc1", "fc2"),
        pointwise: Pointwise = PointwiseConv2d,
        suffix: str | None = "conv",
        neuron: Callable[[], nn.Module] = lif,
        neuron_first: bool = False,
        number_last: bool = False,
    ) -> None:
        super().__init__(suffix, neuron, number_last=number_last)
        self.names, self.neuron_first = names, neuron_first
        self.add(names[0], pointwise(width, hidden), hidden)
        self.add(names[1], pointwise(hidden, width), width)

    def define(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, D, N)`` to the same shape: spikes, or currents where the neurons come first."""
        for name in self.names:
            x = self.conv_bn(flow, name, self.spike(flow, name, x)) if self.neuron_first else self.fire(flow, name, x)
        return x


class CurrentMlp(Mlp):
    """An MLP on a stream of currents, to which it adds: a neuron before each layer.

    Where ``hidden`` is None, the hidden currents are as wide as the stream and are added to it, too.
    """

    def __init__(
        self,
        width: int,
        hidden: int | None,
        *,
        suffix: str | None = "conv",
        neuron: Callable[[], nn.Module] = lif,
        number_last: bool = False,
    ) -> None:
        super().__init__(
            width, hidden or width, suffix=suffix, neuron=neuron, neuron_first=True, number_last=number_last
        )
        self.is_tied = hidden is None

    def define(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, D, N)`` stream to the next stream."""
        first, second = self.names
        hidden = self.conv_bn(flow, first, self.spike(flow, first, x))
        if self.is_tied:
            hidden = x = flow.add(x, hidden)
        return flow.add(x, self.conv_bn(flow, second, self.spike(flow, second, hidden)))
