"""Neurons that keep their thresholds in the state dict, and the short way through inference."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch

from primesvt_core.layers import surrogates
from primesvt_core.layers.neurons import (
    Kind,
    MultiLevelNeuron,
    ShortWay,
    StoredLIF,
    as_spikingjelly_has_them,
    lif,
    make_neuron,
    stored_lif,
)


@pytest.mark.parametrize("threshold", [1.0, 0.5, 0.3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_stored_threshold_is_that_of_an_ordinary_neuron(threshold: float, dtype: torch.dtype) -> None:
    x = torch.randn(4, 2, 50, generator=torch.Generator().manual_seed(0)).to(dtype)
    stored = stored_lif(threshold=threshold)
    with torch.no_grad():
        assert torch.equal(stored(x), lif(threshold=float(torch.tensor(threshold)))(x))


def test_the_state_dict_has_threshold_and_slope_and_gives_them_back() -> None:
    neuron = stored_lif(threshold=0.5)
    assert isinstance(neuron, StoredLIF)
    assert neuron.state_dict().keys() == {"threshold", "act_fun.alpha"}
    neuron.load_state_dict({"threshold": torch.tensor(2.0), "act_fun.alpha": torch.tensor(3.0)})
    for copy in (neuron, deepcopy(neuron), neuron.double()):
        assert isinstance(copy, StoredLIF)
        assert copy.v_threshold == 2.0
    assert neuron.act_fun.alpha == 3.0
    assert not list(neuron.parameters())


def test_levels_are_rounded_to_and_divided_by() -> None:
    """Halves to the even neighbour in the base models of SDT V3, up in the large ones."""
    x = torch.tensor([-1.0, 0.5, 1.5, 2.4, 7.6, 9.0])
    assert MultiLevelNeuron(8, 8)(x).tolist() == [0.0, 0.0, 2 / 8, 2 / 8, 1.0, 1.0]
    assert MultiLevelNeuron(8, 1, half_up=True)(x).tolist() == [0.0, 1.0, 2.0, 2.0, 8.0, 8.0]


@pytest.mark.parametrize("kind", ["lif", "plif", "if"])
@pytest.mark.parametrize("v_reset", [0.0, None, -0.1, 0.2])
@pytest.mark.parametrize("decay_input", [True, False])
def test_the_short_way_gives_the_same_spikes_and_potentials(
    kind: Kind, v_reset: float | None, decay_input: bool
) -> None:
    neuron = make_neuron(kind, tau=1.7, threshold=0.6, v_reset=v_reset, decay_input=decay_input)
    assert isinstance(neuron, ShortWay)
    x = torch.randn(5, 3, 400, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        short, left = neuron(x), neuron.v
        neuron.reset()  # type: ignore[operator]
        with as_spikingjelly_has_them(neuron):
            own = neuron(x)
        assert torch.equal(short, own)
        assert isinstance(left, torch.Tensor)
        assert isinstance(neuron.v, torch.Tensor)
        assert torch.equal(left, neuron.v)
    assert 0.05 < float(short.mean()) < 0.8


@pytest.mark.parametrize("arctan", [False, True])
@pytest.mark.parametrize("tau", [2.0, 1.7])
@pytest.mark.parametrize("threshold", [1.0, 0.5])
def test_what_learns_has_the_spikes_potentials_and_gradients_of_spikingjelly(
    arctan: bool, tau: float, threshold: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surrogates, "CHUNK", 100)
    neuron = lif(threshold=threshold, tau=tau, arctan=arctan)
    start = 2 * torch.randn(5, 3, 130, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weights = torch.rand(5, 3, 130, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def learned() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        neuron.reset()  # type: ignore[operator]
        x = start.clone().requires_grad_()
        spikes = neuron(x.transpose(1, 2))  # channels that lie elsewhere in memory
        (spikes * weights.transpose(1, 2)).sum().backward()
        assert isinstance(neuron.v, torch.Tensor)
        assert x.grad is not None
        return spikes.detach(), neuron.v.detach(), x.grad

    short = learned()
    with as_spikingjelly_has_them(neuron):
        own = learned()
    for mine, theirs in zip(short, own, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-12)
    assert torch.equal(short[0], own[0])
    assert 0.05 < float(short[0].mean()) < 0.8


def test_other_neurons_learn_the_long_way() -> None:
    neuron = make_neuron("plif", tau=2.0, threshold=1.0, v_reset=None, decay_input=True)
    neuron(3 * torch.rand(4, 2, 30)).sum().backward()
    assert next(neuron.parameters()).grad is not None
