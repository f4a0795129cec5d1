"""The last part of a network, which learns while everything before it stays as it is.

Where anything changes early in a spiking network, spikes change everywhere behind it, and a short training never makes
up for that. So what learns is what is behind one value of the forward pass; what is before it is computed once for
every image, which leaves time for several times as many steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from primesvt_core.layers.graph import INPUT, Graph, Node, Signal
from primesvt_core.layers.model import SpikingModel
from primesvt_core.layers.neurons import reset

SHARE = 0.5
"""Of the multiply-accumulates of a network's layers, that its last part has at most."""

MOST_BYTES = 1 << 30
"""Of values that are kept; of more images they are computed anew whenever these are learned from."""

LARGEST_SPIKE = 255
"""Values up to it that are whole numbers are kept in a byte each."""


@dataclass(frozen=True)
class LastPart:
    """What is behind one value of a graph, on which everything behind it depends.

    Attributes:
        value: the value, ``(T, B, C, ...)``.
        nodes: those behind it, in their order.
        output: the logits, ``(B, num_classes)``.
    """

    value: Signal
    nodes: tuple[Node, ...]
    output: Signal

    def uses(self, tensor: str) -> bool:
        """Whether it uses the state dict entry ``tensor``."""
        return any(node.uses(tensor) for node in self.nodes)

    def before(self, model: SpikingModel, images: Tensor) -> Tensor:
        """The value, of a batch of images; no gradient goes through it."""
        with torch.no_grad():
            reset(model)
            found = model.graph.values(model.encode(images), (self.value,))[self.value]
            reset(model)
        return found

    def behind(self, model: SpikingModel, value: Tensor) -> Tensor:
        """The logits that the last part of a model, of this network or of a pruned one, makes of the value."""
        reset(model)
        places = {node.value for node in self.nodes}
        values = {self.value: value}
        for node in model.graph.nodes:
            if node.value in places:
                values[node.value] = node.op(*(values[name] for name in node.inputs))
        reset(model)
        return values[self.output]


def last_part(graph: Graph, costs: Mapping[str, int], share: float = SHARE) -> LastPart | None:
    """The longest last part with at most a share of the costs; None if no single value is before it.

    Args:
        graph: of the network.
        costs: of its layers, by their weights in the state dict.
        share: of all costs together.
    """
    places = [LastPart(value, graph.nodes[place:], graph.output) for place, value in _single_values(graph)]
    behind = [sum(cost for name, cost in costs.items() if part.uses(name)) for part in places]
    most = max((cost for cost in behind if cost <= share * sum(costs.values())), default=0)
    # Of those with the same layers the shortest: pooled spikes take less memory than the currents they come from.
    return [part for part, cost in zip(places, behind, strict=True) if cost == most][-1] if most else None


def _single_values(graph: Graph) -> Iterator[tuple[int, Signal]]:
    """Places of the graph behind which one value alone is taken of all before, and that value."""
    last = {value: place for place, node in enumerate(graph.nodes) for value in node.inputs}
    known: set[Signal] = {INPUT}
    for place, node in enumerate(graph.nodes):
        crossing = {value for value in known if last.get(value, -1) >= place}
        if len(crossing) == 1 and crossing != {INPUT}:
            yield place, crossing.pop()
        known.add(node.value)


def kept(values: Iterable[Tensor], images: int) -> Tensor | None:
    """Values of batches ``(T, B, ...)``, of all images one behind another; spikes take a byte each.

    Args:
        values: batch by batch.
        images: how many there are in all.

    Returns:
        ``(T, images, ...)``, or None if that took more than `MOST_BYTES`, of which the first batch decides.
    """
    found, done = torch.empty(0), 0
    for value in values:
        small = _small(value)
        steps, count, *each = small.shape
        if not done:
            if small[:, :1].nbytes * images > MOST_BYTES:
                return None
            found = torch.empty(steps, images, *each, dtype=small.dtype)
        if small.dtype != found.dtype:
            found = found.to(value.dtype)
        found[:, done : done + count] = small
        done += count
    return found


def _small(value: Tensor) -> Tensor:
    small = value.clamp(0, LARGEST_SPIKE).to(torch.uint8)
    return small if torch.equal(small.to(value), value) else value
