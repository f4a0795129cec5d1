"""Neurons that keep their thresholds in the state dict."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch

from primesvt_core.layers.neurons import MultiLevelNeuron, StoredLIF, lif, stored_lif


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
