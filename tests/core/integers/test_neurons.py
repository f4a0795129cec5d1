"""Neurons that compute by shifts, and those that do not."""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn

from primesvt_core.errors import ExportError
from primesvt_core.integers.neurons import Leak, leak
from primesvt_core.layers.neurons import MultiLevelNeuron, make_neuron

USUAL: dict[str, Any] = {"tau": 2.0, "threshold": 1.0, "v_reset": 0.0, "decay_input": True}


def neuron(kind: str = "lif", **settings: Any) -> nn.Module:
    return make_neuron(kind, **{**USUAL, **settings})  # type: ignore[arg-type]


def test_a_time_constant_is_a_shift() -> None:
    assert leak("lif", neuron()) == Leak(1, True, 1.0)
    assert leak("lif", neuron(tau=8.0, decay_input=False, threshold=0.5)) == Leak(3, False, 0.5)
    assert leak("lif", neuron("if")) == Leak(None, False, 1.0)


def test_every_step_shifts_once_more() -> None:
    assert leak("lif", neuron(tau=4.0)).exact_bits(5) == 10
    assert leak("lif", neuron("if")).exact_bits(5) == 0


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (neuron(tau=3.0), "time constant 3.0, which is no power of two"),
        (neuron("plif"), "is a PLIF, whose leak is no shift"),
        (neuron(v_reset=None), "subtracts its threshold"),
        (neuron(v_reset=-0.1), "is reset to -0.1"),
        (MultiLevelNeuron(), "is a MultiLevelNeuron"),
    ],
)
def test_another_neuron_is_refused_by_name(found: nn.Module, why: str) -> None:
    with pytest.raises(ExportError, match=f"integer: block.0.lif .*{why}"):
        leak("block.0.lif", found)
