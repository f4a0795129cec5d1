"""Kernels compute what spikingjelly's neurons and the families' attention compute, in every form."""

from __future__ import annotations

import importlib.util
import math

import pytest
import torch
from spikingjelly.activation_based import neuron
from torch import Tensor

from primesvt_core.engines.kernels import CHUNK, Kernels, attend, available, is_power_of_two, leaky, pack
from primesvt_core.layers.attention import spiking_self_attention

FORMS: list[Kernels] = ["torch", "numba"]
STEPS = 4


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> Kernels:
    if request.param == "numba" and importlib.util.find_spec("numba") is None:
        pytest.skip("numba is not installed")
    found: Kernels = request.param
    return found


def currents(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(STEPS, *shape, generator=torch.Generator().manual_seed(0), dtype=dtype) + 0.5


def fired(x: Tensor, tau: float, threshold: float) -> Tensor:
    """spikingjelly's own."""
    node = neuron.LIFNode(tau=tau, v_threshold=threshold, v_reset=0.0, decay_input=True, step_mode="m")
    with torch.no_grad():
        spikes: Tensor = node(x)
    return spikes


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("tau", "threshold"), [(2.0, 1.0), (1.5, 1.0), (2.0, 0.5), (4.0, 0.7), (1.1, 0.3)])
def test_leaky_neurons_fire_as_spikingjellys(form: Kernels, tau: float, threshold: float, dtype: torch.dtype) -> None:
    x = currents(3, 5, 7, dtype=dtype)
    wanted = fired(x, tau, threshold)
    assert torch.equal(leaky(x, tau, threshold, form, overwrite=False), wanted)
    assert 0 < wanted.mean() < 1


def test_more_than_fit_at_a_time_are_computed(form: Kernels) -> None:
    x = currents(3 * CHUNK + 17)
    assert torch.equal(leaky(x, 2.0, 1.0, form, overwrite=False), fired(x, 2.0, 1.0))


def test_currents_stay_as_they_are_unless_they_may_be_overwritten(form: Kernels) -> None:
    x = currents(100)
    before = x.clone()
    spikes = leaky(x, 2.0, 1.0, form, overwrite=False)
    assert torch.equal(x, before)
    over = leaky(x, 2.0, 1.0, form, overwrite=True)
    assert over.data_ptr() == x.data_ptr()
    assert torch.equal(over, spikes)


def test_an_image_whose_steps_share_memory_is_never_overwritten(form: Kernels) -> None:
    image = currents(2, 3)[0]
    x = image.unsqueeze(0).expand(STEPS, *image.shape)
    before = image.clone()
    found = leaky(x, 2.0, 1.0, form, overwrite=True)
    assert torch.equal(image, before)
    assert torch.equal(found, fired(x.contiguous(), 2.0, 1.0))


def test_channels_may_lie_last_in_memory(form: Kernels) -> None:
    x = currents(2, 6, 5).transpose(2, 3)
    found = leaky(x, 2.0, 1.0, form, overwrite=False)
    assert found.stride() == x.stride()
    assert torch.equal(found, fired(x.contiguous(), 2.0, 1.0))


@pytest.mark.parametrize("number", [0.25, 1.0, 2.0, 4.0])
def test_multiplying_by_the_inverse_of_a_power_of_two_is_exact(number: float) -> None:
    assert is_power_of_two(number)
    x = currents(1000)
    assert torch.equal(x / number, x * (1 / number))


@pytest.mark.parametrize("number", [1.1, 1.5, 3.0])
def test_others_are_divided(number: float) -> None:
    assert not is_power_of_two(number)


@pytest.mark.parametrize("above", [0.6, 1.9])
def test_attention_of_channels_that_lie_last_gives_the_same_integers(form: Kernels, above: float) -> None:
    q, k, v = ((currents(2, 7, width) > above).float().transpose(2, 3) for width in (8, 8, 12))
    found = attend(q, k, v, num_heads=4, scale=0.125, kernels=form)
    assert torch.equal(found, spiking_self_attention(q, k, v, num_heads=4, scale=0.125))


def test_the_fastest_form_is_one_that_is_installed() -> None:
    assert (available() == "numba") == (importlib.util.find_spec("numba") is not None)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("is_last", [True, False])
def test_spikes_and_their_sums_are_kept_as_bytes(form: Kernels, is_last: bool, dtype: torch.dtype) -> None:
    drawn = torch.randint(0, 256, (STEPS, 3, 50, 70), generator=torch.Generator().manual_seed(0)).to(dtype)
    x = drawn.movedim(-1, 2) if is_last else drawn
    packed = pack(x, form)
    assert packed.dtype == torch.uint8
    assert torch.equal(packed.to(dtype), x)


@pytest.mark.parametrize("other", [0.5, -1.0, 256.0, 1e30, -1e30, math.inf, math.nan])
def test_what_bytes_cannot_hold_is_kept_as_it_is(form: Kernels, other: float) -> None:
    x = torch.ones(STEPS, 3, 50, 70).movedim(-1, 2)
    x[-1, -1, -1, -1] = other
    assert pack(x, form) is x
