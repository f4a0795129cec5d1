"""What is behind one value of a forward pass."""

from __future__ import annotations

import pytest
import torch

from primesvt_core.layers.graph import Graph, Node, Signal, Stateless
from primesvt_core.method import last_part as module
from primesvt_core.method.last_part import LastPart, kept, last_part


def node(value: str, *inputs: str, layer: str = "") -> Node:
    return Node(Signal(value), Stateless(()), tuple(map(Signal, inputs)), (layer,) if layer else ())


NODES = (
    node("stem", "input", layer="stem"),
    node("spikes", "stem"),
    node("pooled", "spikes"),
    node("q", "pooled", layer="q"),
    node("k", "pooled", layer="k"),
    node("sum", "q", "k", "pooled"),
    node("head", "sum", layer="head"),
)
GRAPH = Graph(NODES, Signal("head"))
COSTS = {"stem.weight": 50, "q.weight": 20, "k.weight": 20, "head.weight": 10}


@pytest.mark.parametrize(
    ("share", "value"), [(1.0, "pooled"), (0.5, "pooled"), (0.49, "sum"), (0.1, "sum"), (0.09, None), (0.0, None)]
)
def test_the_longest_within_the_share_begins_with_the_last_of_the_values_before_it(
    share: float, value: str | None
) -> None:
    found = last_part(GRAPH, COSTS, share)
    assert (found and found.value) == value


def test_nothing_may_be_taken_from_before_the_value() -> None:
    """Queries are computed from what comes before the pooling: behind it, not one value alone is needed."""
    nodes = (*NODES[:3], node("q", "spikes", layer="q"), *NODES[4:])
    found = last_part(Graph(nodes, Signal("head")), COSTS, 0.5)
    assert found == LastPart(Signal("spikes"), nodes[2:], Signal("head"))


def test_it_uses_what_its_nodes_use() -> None:
    found = last_part(GRAPH, COSTS, 0.5)
    assert found is not None
    assert [name for name in COSTS if found.uses(name)] == ["q.weight", "k.weight", "head.weight"]


def batches(*of: torch.Tensor) -> torch.Tensor | None:
    return kept(iter(of), sum(one.shape[1] for one in of))


def test_spikes_are_kept_in_bytes_and_other_values_as_they_are() -> None:
    spikes, currents = torch.tensor([[[0.0, 3.0], [1.0, 255.0]]]), torch.tensor([[[0.5, -1.0]]])
    found = batches(spikes, spikes)
    assert found is not None
    assert (found.dtype, found.tolist()) == (torch.uint8, torch.cat([spikes, spikes], 1).tolist())
    mixed = batches(spikes, currents)
    assert mixed is not None
    assert torch.equal(mixed, torch.cat([spikes, currents], 1))
    for one in (torch.tensor([[[256.0]]]), torch.tensor([[[-1.0]]])):
        whole = batches(one)
        assert whole is not None
        assert torch.equal(whole, one)


def test_no_more_is_kept_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 40)
    spikes = torch.ones(2, 5, 2)
    assert kept(iter([spikes, spikes]), 10) is not None
    assert kept(iter([spikes, spikes]), 11) is None
    assert kept(iter([spikes / 2, spikes]), 10) is None
