"""Values without channels that are zero, and layers between them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from primesvt_core.engines.fewer_channels import between, fewer, is_even, whole
from primesvt_core.engines.folding import AsItIs, steps
from primesvt_core.layers.flatten_time import flatten_time
from primesvt_core.layers.pointwise import PointwiseConv1d, PointwiseLinear
from primesvt_core.pruning.patches import Patch

NOTHING = frozenset[int]()
GONE = frozenset({0, 3})


def spikes(*shape: int) -> torch.Tensor:
    return (torch.randn(shape, generator=torch.Generator().manual_seed(0)) > 0).float()


def test_a_value_that_is_made_whole_again_has_zeros_where_channels_are_gone() -> None:
    x = spikes(2, 3, 6, 5)
    found = whole(fewer(x, NOTHING, GONE), GONE)
    assert found.shape == x.shape
    assert found[:, :, [0, 3]].abs().sum() == 0
    assert torch.equal(found[:, :, [1, 2, 4, 5]], x[:, :, [1, 2, 4, 5]])


def test_channels_that_are_gone_already_are_not_looked_for() -> None:
    x = spikes(2, 3, 6, 5)
    few, fewest = frozenset({3}), frozenset({0, 3, 5})
    assert torch.equal(fewer(fewer(x, NOTHING, few), few, fewest), fewer(x, NOTHING, fewest))
    assert fewer(x, few, few) is x


def test_channels_lie_last_in_memory() -> None:
    x = spikes(2, 3, 5, 6).transpose(2, 3)
    for found in (fewer(x, NOTHING, GONE), whole(fewer(x, NOTHING, GONE), GONE)):
        assert found.movedim(2, -1).is_contiguous()


@pytest.mark.parametrize(
    "modules",
    [
        [PointwiseLinear(6, 8), nn.BatchNorm1d(8)],
        [PointwiseConv1d(6, 8, bias=False), nn.BatchNorm1d(8)],
        [nn.Conv2d(6, 8, 3, padding=1), nn.BatchNorm2d(8), nn.MaxPool2d(2)],
        [nn.Conv2d(6, 6, 3, padding=1, groups=6), nn.Conv2d(6, 8, 1), nn.BatchNorm2d(8)],
        [nn.Conv2d(6, 8, 1), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3, groups=8)],
    ],
    ids=["linear", "1d", "pooled", "depthwise first", "depthwise last"],
)
def test_layers_between_fewer_channels_compute_what_is_left(modules: list[nn.Module]) -> None:
    x = spikes(2, 3, 6, 5) if len(modules) == 2 else spikes(2, 3, 6, 6, 6)
    x[:, :, [*GONE]] = 0.0
    chain = nn.Sequential(*modules).eval()
    found = steps(modules, [str(at) for at in range(len(modules))], Patch())
    after = frozenset({1, 2, 7})
    y = fewer(x, NOTHING, GONE)
    with torch.no_grad():
        for step in between(found, GONE, after):
            y = step(y)
        wanted = fewer(flatten_time(chain, x), NOTHING, after)
    assert torch.allclose(y, wanted, atol=1e-5)


def test_poolings_take_what_there_is() -> None:
    pool = AsItIs(nn.MaxPool2d(2))
    assert between([pool], GONE, GONE) == [pool]


@pytest.mark.parametrize(
    ("without", "parts", "even"),
    [(NOTHING, 2, True), (frozenset({0, 4}), 2, True), (frozenset({0, 1}), 2, False), (frozenset({0, 1}), 1, True)],
)
def test_heads_are_even_where_each_misses_as_many(without: frozenset[int], parts: int, even: bool) -> None:
    x = fewer(spikes(1, 1, 8, 2), NOTHING, without)
    assert is_even(without, x, parts) is even
