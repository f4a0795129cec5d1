"""Weights, BatchNorms and thresholds as integers, beside what torch computes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from primesvt_core.checkpoints.precisions import PRECISIONS
from primesvt_core.errors import ExportError
from primesvt_core.integers.folding import bits, encoded, fold, scalar_threshold


def norm(channels: int) -> nn.BatchNorm2d:
    """With gains of both signs, one of them 0."""
    found, chance = nn.BatchNorm2d(channels).eval(), torch.Generator().manual_seed(0)
    found.weight.data = torch.randn(channels, generator=chance)
    found.weight.data[1] = 0
    found.bias.data = torch.randn(channels, generator=chance)
    found.running_mean = torch.randn(channels, generator=chance)
    found.running_var = torch.rand(channels, generator=chance) + 0.1
    return found


def test_what_is_folded_computes_what_layer_and_norm_do() -> None:
    conv, bn = nn.Conv2d(3, 4, 3), norm(4)
    folded = fold("conv", conv, bn, {}, threshold=1.0)
    weight = PRECISIONS["int8"].decode(encoded("conv", conv, {}))
    conv.weight.data = torch.from_numpy(weight)
    x = torch.randint(0, 2, (2, 3, 6, 6)).float()
    sums = nn.functional.conv2d(x.double(), torch.from_numpy(folded.weight.astype(np.float64)))
    with torch.no_grad():
        expected = bn.double()(conv.double()(x.double()))
    found = (sums.numpy() + folded.bias.reshape(1, -1, 1, 1)) * folded.scale.reshape(1, -1, 1, 1)
    assert np.abs(found - expected.numpy()).max() < 1e-6  # of scales, which are float32
    assert folded.weight.dtype == np.int8
    assert (folded.scale > 0).all()


def test_int8_weights_of_a_file_are_taken_over_but_for_their_sign() -> None:
    conv, bn = nn.Conv2d(3, 4, 3), norm(4)
    stored = PRECISIONS["int8"].encode(np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32))
    folded = fold("conv", conv, bn, {"conv.weight": stored}, threshold=1.0)
    signs = np.sign(bn.weight.detach().numpy()).astype(np.int8).reshape(-1, 1, 1, 1)
    assert np.array_equal(folded.weight, stored.values * signs)


def test_a_channel_whose_gain_is_zero_has_a_constant_current() -> None:
    conv, bn = nn.Conv2d(3, 4, 3), norm(4)
    folded = fold("conv", conv, bn, {}, threshold=0.5)
    assert not folded.weight[1].any()
    assert folded.scale[1] == 0.5
    assert folded.bias[1] * folded.scale[1] == pytest.approx(float(bn.bias.detach()[1]))


def test_a_threshold_is_the_smallest_integer_that_is_not_below_it() -> None:
    folded = fold("conv", nn.Conv2d(3, 4, 3), norm(4), {}, threshold=1.0)
    for bits_ in (0, 5, 12):
        found = folded.thresholds(1.0, bits_)
        units = folded.scale * 2.0**-bits_
        assert (found * units >= 1.0 - 1e-12).all()
        assert ((found - 1) * units < 1.0).all()


def test_biases_leave_the_bits_of_the_leak_alone() -> None:
    folded = fold("conv", nn.Conv2d(3, 4, 3), norm(4), {}, threshold=1.0)
    found = folded.bias_integers(4, 12)
    assert not (found % 16).any()
    assert np.abs(found * 2.0**-12 - folded.bias).max() <= 2.0**-9


def test_a_norm_without_statistics_is_refused() -> None:
    with pytest.raises(ExportError, match="depends on the batch"):
        fold("conv", nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False), {}, threshold=1.0)


@pytest.mark.parametrize(("largest", "expected"), [(0, 1), (1, 2), (127, 8), (128, 9), (255, 9)])
def test_bits_hold_a_number_and_its_sign(largest: int, expected: int) -> None:
    assert bits(largest) == expected
    assert -(1 << expected - 1) <= -largest <= largest <= (1 << expected - 1) - 1


def test_a_threshold_of_products_is_exact() -> None:
    assert scalar_threshold(0.5, 0.125, 4) == 64
    assert scalar_threshold(0.55, 0.125, 4) == 71  # 70.4
