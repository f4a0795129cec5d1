"""Layers that are copied into a standalone model: the numbers of those that they stand for, bit for bit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from primesvt_core.codegen import written_out
from primesvt_core.families.sdtv2 import NormAndPad
from primesvt_core.layers.attention import spiking_self_attention
from primesvt_core.layers.flatten_time import flatten_time
from primesvt_core.layers.neurons import MultiLevelNeuron, as_spikingjelly_has_them, make_neuron
from primesvt_core.layers.pointwise import PointwiseConv1d, PointwiseConv2d, PointwiseLinear


def currents(*shape: int) -> torch.Tensor:
    return 1.5 * torch.randn(shape, generator=torch.Generator().manual_seed(0)) + 0.4


SETTINGS = [
    {"tau": tau, "threshold": threshold, "v_reset": reset, "decay_input": decays}
    for tau, threshold in ((2.0, 1.0), (3.0, 0.6))
    for reset in (0.0, -0.1, None)
    for decays in (True, False)
]


def written(kind: str, settings: dict[str, Any]) -> nn.Module:
    tau, threshold, reset, decays = settings.values()
    if kind == "if":
        return written_out.IF(threshold=threshold, reset=reset)
    if kind == "plif":
        found = written_out.PLIF(threshold=threshold, reset=reset, decay_input=decays)
        found.w.data.fill_(-torch.log(torch.tensor(tau - 1.0)))
        return found
    if reset == 0.0 and decays:
        return written_out.LIF(tau=tau, threshold=threshold)
    return written_out.GeneralLIF(tau=tau, threshold=threshold, reset=reset, decay_input=decays)


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("kind", ["lif", "plif", "if"])
def test_a_neuron_fires_as_spikingjellys(kind: Any, settings: dict[str, Any]) -> None:
    x = currents(5, 3, 4, 7)
    neuron, found = make_neuron(kind, **settings), written(kind, settings)
    if isinstance(found, written_out.PLIF):
        found.w.data.copy_(neuron.get_parameter("w"))
    with torch.no_grad(), as_spikingjelly_has_them(neuron):
        expected = neuron(x)
        assert torch.equal(found(x), expected)
    assert 0.01 < float(expected.mean()) < 0.99


@pytest.mark.parametrize("half_up", [True, False])
def test_a_neuron_of_several_levels_rounds_alike(half_up: bool) -> None:
    x = torch.cat([currents(50), torch.tensor([0.5, 1.5, 2.5, 9.0, -1.0])])
    with torch.no_grad():
        expected = MultiLevelNeuron(4, 2, half_up=half_up)(x)
        assert torch.equal(written_out.MultiLevel(levels=4, norm=2, half_up=half_up)(x), expected)


@pytest.mark.parametrize(
    ("ours", "copied", "shape"),
    [
        (PointwiseLinear, written_out.PointwiseLinear, (2, 5, 9)),
        (PointwiseConv1d, written_out.PointwiseConv1d, (2, 5, 9)),
        (PointwiseConv2d, written_out.PointwiseConv2d, (2, 5, 9)),
    ],
)
def test_a_pointwise_layer_is_the_same(ours: type[Any], copied: type[Any], shape: tuple[int, ...]) -> None:
    layer, found = ours(5, 6), copied(5, 6)
    found.load_state_dict(layer.state_dict())
    with torch.no_grad():
        assert torch.equal(found(currents(*shape)), layer(currents(*shape)))


def test_a_border_is_what_the_norm_makes_of_zero() -> None:
    layer, found = NormAndPad(3), written_out.NormAndPad(3)
    nn.init.uniform_(layer.bn.bias)
    found.load_state_dict(layer.state_dict())
    with torch.no_grad():
        assert torch.equal(found.eval()(currents(2, 3, 4, 4)), layer.eval()(currents(2, 3, 4, 4)))


def test_attention_is_the_same() -> None:
    q, k, v = ((currents(2, 3, width, 7) > 0).float() for width in (4, 4, 6))
    expected = spiking_self_attention(q, k, v, num_heads=2, scale=0.125)
    assert torch.equal(written_out.attention(q, k, v, heads=2, scale=0.125), expected)


@pytest.mark.parametrize("is_same", [True, False])
def test_layers_see_every_step_alone(is_same: bool) -> None:
    layer = nn.Conv2d(2, 3, 3)
    x = currents(1, 2, 2, 5, 5).expand(4, 2, 2, 5, 5) if is_same else currents(4, 2, 2, 5, 5)
    with torch.no_grad():
        assert torch.equal(written_out.each_step(x, layer), flatten_time(layer, x))


def test_images_are_shown_at_every_step_and_frames_once() -> None:
    assert written_out.shown(currents(2, 3, 4, 4), 5).shape == (5, 2, 3, 4, 4)
    assert torch.equal(written_out.shown(currents(2, 5, 3, 4, 4), 9)[1], currents(2, 5, 3, 4, 4)[:, 1])
