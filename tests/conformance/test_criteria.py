"""Every criterion: one finite score a channel, that follows the channel wherever it stands."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from primesvt_core import registry
from primesvt_core.criteria._base import Criterion
from primesvt_core.criteria.l2 import l2_scores
from primesvt_core.pruning.surgery import filters
from primesvt_core.types import ChannelGroup, TensorSlice
from tests.support import tiny

SIZE = 12


def loaded(key: str) -> Criterion:
    criterion = registry.load("criteria", key, "CRITERION")
    assert callable(criterion)
    found: Criterion = criterion
    return found


@pytest.fixture(params=registry.available("criteria"))
def criterion(request: pytest.FixtureRequest) -> Criterion:
    return loaded(request.param)


def producers(seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(SIZE, fan_in, generator=generator) for fan_in in (9, 4, 30)]


def test_every_channel_gets_one_finite_score(criterion: Criterion) -> None:
    scores = criterion(producers())
    assert scores.shape == (SIZE,)
    assert scores.is_floating_point()
    assert torch.isfinite(scores).all()
    assert len(set(scores.tolist())) == SIZE


def test_scores_follow_their_channels(criterion: Criterion) -> None:
    order = torch.randperm(SIZE, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(criterion([f[order] for f in producers()]), criterion(producers())[order])


def test_the_same_filters_get_the_same_scores_and_are_left_alone(criterion: Criterion) -> None:
    given, kept = producers(), producers()
    first = criterion(given)
    assert torch.equal(criterion(given), first)
    assert all(torch.equal(a, b) for a, b in zip(given, kept, strict=True))


def test_large_weights_do_not_overflow(criterion: Criterion) -> None:
    assert torch.isfinite(criterion([torch.full((SIZE, 5), 1e30)])).all()


def test_the_l2_norm_is_the_papers_over_all_producers() -> None:
    scores = l2_scores([torch.tensor([[3.0, 4.0], [0.0, 0.0]]), torch.tensor([[12.0], [2.0]])])
    assert scores.tolist() == [13.0, 2.0]


def test_filters_are_the_rows_at_which_the_channels_lie() -> None:
    """Two heads of two channels, in every other pair of rows of a larger weight."""
    weight = torch.arange(24.0).reshape(8, 3)
    group = ChannelGroup(
        name="g", size=4, width="w", parts=2, silencers=(), consumers=(), producers=("x.weight",),
        slices=(TensorSlice(tensor="x.weight", dim=0, stride=4, offset=2),),
    )  # fmt: skip
    [found] = filters(group, {"x.weight": weight})
    assert torch.equal(found, weight[[2, 3, 6, 7]])


def test_a_tiny_models_groups_are_all_scored(criterion: Criterion) -> None:
    state = tiny.model().state_dict()
    for group in tiny.groups():
        assert criterion(filters(group, state)).shape == (group.size,)
