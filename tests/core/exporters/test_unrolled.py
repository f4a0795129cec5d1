"""Unrolled neurons fire as spikingjelly's do, bit for bit."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from primesvt_core.errors import ExportError
from primesvt_core.exporters._unrolled import UnrolledNeuron, unroll
from primesvt_core.layers.neurons import Kind, as_spikingjelly_has_them, make_neuron, neurons, reset, stored_lif
from primesvt_core.testing.models import tiny


def compared(node: nn.Module, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Spikes of spikingjelly's neuron and of the unrolled one, of random currents."""
    x = torch.randn(6, 2, 500, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype) * 2
    holder = nn.Sequential(node)
    with torch.no_grad(), as_spikingjelly_has_them(holder):
        wanted = node(x)
    reset(holder)
    with torch.no_grad():
        found = unroll(holder)(x)  # type: ignore[arg-type]
    return wanted, found


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("decay_input", [True, False], ids=["decaying", "plain"])
@pytest.mark.parametrize("v_reset", [0.0, None, -0.25], ids=["hard", "soft", "elsewhere"])
@pytest.mark.parametrize("tau", [2.0, 1.5])
@pytest.mark.parametrize("kind", ["lif", "plif", "if"])
def test_it_fires_as_spikingjelly_has_it(
    kind: Kind, tau: float, v_reset: float | None, decay_input: bool, dtype: torch.dtype
) -> None:
    node = make_neuron(kind, tau=tau, threshold=0.9, v_reset=v_reset, decay_input=decay_input)
    wanted, found = compared(node, dtype)
    assert 0.05 < float(wanted.mean()) < 0.95
    assert torch.equal(wanted, found)


def test_a_stored_threshold_counts() -> None:
    wanted, found = compared(stored_lif(threshold=0.4), torch.float32)
    assert torch.equal(wanted, found)


def test_an_image_that_is_shown_at_every_step_is_charged_again() -> None:
    node = make_neuron("lif", tau=2.0, threshold=1.0, v_reset=0.0, decay_input=True)
    x = torch.full((1, 1), 1.5).unsqueeze(0).expand(4, 1, 1)
    # v: 0.75, 1.125 (fires), 0.75, 1.125 (fires)
    assert unroll(nn.Sequential(node))(x).flatten().tolist() == [0, 1, 0, 1]  # type: ignore[arg-type]


def test_no_neuron_of_a_model_keeps_a_state() -> None:
    model = unroll(tiny().family.build(tiny().config))
    assert [*neurons(model)] == []
    assert sum(isinstance(module, UnrolledNeuron) for module in model.modules()) > 5


def test_a_neuron_of_another_kind_is_refused() -> None:
    from spikingjelly.activation_based import neuron

    with pytest.raises(ExportError, match="QIFNode"):
        unroll(nn.Sequential(neuron.QIFNode(step_mode="m")))  # type: ignore[arg-type]
