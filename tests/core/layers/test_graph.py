"""Forward passes that are written down: names, what each operation uses, and whose modules a copy computes with."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from primesvt_core.intake.loading import build
from primesvt_core.layers.graph import INPUT, Flow, Signal
from primesvt_core.layers.model import SpikingModel
from primesvt_core.testing.models import tiny


class Two(SpikingModel):
    """Two layers, the first used twice, and a scale."""

    def __init__(self) -> None:
        super().__init__(time_steps=2)
        self.first = nn.Sequential(nn.Conv2d(1, 1, 1), nn.Identity(), nn.Sequential(nn.BatchNorm2d(1)))
        self.scale = nn.Parameter(torch.full((1,), 3.0))

    def define(self, flow: Flow, x: Signal) -> Signal:
        once = flow.run(x, self.first)
        twice = flow.run(flow.run(once, nn.Identity()), self.first)
        scaled = flow.apply("scaled", lambda y: self.scale * y, twice, parameters=(self.scale,))
        return flow.add(once, scaled, x)


def test_containers_are_opened_and_every_value_has_its_name() -> None:
    nodes = Two().graph.nodes
    assert [node.value for node in nodes] == ["first", "first#2", "scaled", "sum"]
    assert [node.inputs for node in nodes] == [(INPUT,), ("first",), ("first#2",), ("first", "scaled", INPUT)]
    assert nodes[0].tensors == ("first.0", "first.2.0")
    assert nodes[2].tensors == ("scale",)


def test_a_node_uses_the_entries_of_its_modules_and_no_others() -> None:
    first, *_ = Two().graph.nodes
    assert first.uses("first.0.weight")
    assert first.uses("first.2.0.running_mean")
    assert not first.uses("first.01.weight")
    assert not first.uses("scale")


def test_it_computes_what_it_says() -> None:
    model = Two().eval()
    x = torch.randn(1, 1, 2, 2)
    once = model.first(x)
    with torch.no_grad():
        found = model(x)
    assert torch.allclose(found[0], once + 3.0 * model.first(once) + x)


def test_values_are_those_on_the_way_and_nothing_behind_them_is_computed() -> None:
    model = Two().eval()
    x, calls = torch.randn(2, 1, 1, 2, 2), list[int]()
    model.first.register_forward_hook(lambda *_: calls.append(1))
    model.first[0].register_forward_hook(lambda *_: calls.append(1))
    wanted = [Signal("first"), Signal("first#2")]
    with torch.no_grad():
        found = model.graph.values(x, wanted)
        assert len(calls) == 2
        once = model.first(x[:, 0])
        assert torch.allclose(found[wanted[0]][:, 0], once)
        assert torch.allclose(found[wanted[1]][:, 0], model.first(once))
        assert [*model.graph.values(x, wanted[:1])] == wanted[:1]
        assert model.graph.values(x, ()) == {}
        with pytest.raises(KeyError):
            model.graph.values(x, [Signal("third")])


def test_a_copy_computes_with_its_own_modules() -> None:
    drawn = tiny()
    model = build(drawn.family, drawn.config, drawn.state)
    with torch.no_grad():
        before = model(drawn.input)
        other = copy.deepcopy(model)
        for parameter in other.parameters():
            parameter.zero_()
        assert torch.equal(model(drawn.input), before)
        assert not torch.equal(other(drawn.input), before)
