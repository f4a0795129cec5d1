"""Every criterion holds the suite of criteria; the paper's is the L2 norm."""

from __future__ import annotations

import pytest
import torch

from primesvt_core.criteria import CRITERIA, Criterion
from primesvt_core.criteria.l2 import l2_scores
from primesvt_core.pruning.surgery import filters
from primesvt_core.testing.criteria import CriterionSuite
from primesvt_core.types import ChannelGroup, TensorSlice


class TestCriteria(CriterionSuite):
    @pytest.fixture(params=CRITERIA.available())
    def criterion(self, request: pytest.FixtureRequest) -> Criterion:
        return CRITERIA.load(request.param)


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
