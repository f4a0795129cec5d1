"""Scores of weights alone, by hand; the control."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import torch

from primesvt_core.criteria import Scoring, l1, random
from primesvt_core.criteria.l2 import CRITERION as L2
from primesvt_core.criteria.l2 import l2_scores
from primesvt_core.pruning.surgery import filters
from primesvt_core.testing.models import tiny
from primesvt_core.types import ChannelGroup, TensorSlice

FIRST, SECOND = torch.tensor([[3.0, -4.0], [0.0, 0.0]]), torch.tensor([[12.0], [-2.0]])
GROUP = ChannelGroup(
    name="g", size=2, width="w", silencers=(), consumers=(), producers=("x.weight", "y.weight"),
    slices=(TensorSlice(tensor="x.weight", dim=0), TensorSlice(tensor="y.weight", dim=0)),
)  # fmt: skip
SCORING = Scoring(state={"x.weight": FIRST, "y.weight": SECOND}, model=tiny().double, groups=(GROUP,))


def test_the_l2_norm_is_the_papers_over_all_producers() -> None:
    assert l2_scores([FIRST, SECOND]).tolist() == [13.0, 2.0]
    assert L2.score(SCORING, GROUP).tolist() == [13.0, 2.0]


def test_the_l1_norm_is_a_sum_over_all_producers() -> None:
    assert l1.CRITERION.score(SCORING, GROUP).tolist() == [19.0, 2.0]


def test_filters_are_the_rows_at_which_the_channels_lie() -> None:
    """Two heads of two channels, in every other pair of rows of a larger weight."""
    weight = torch.arange(24.0).reshape(8, 3)
    group = ChannelGroup(
        name="g", size=4, width="w", parts=2, silencers=(), consumers=(), producers=("x.weight",),
        slices=(TensorSlice(tensor="x.weight", dim=0, stride=4, offset=2),),
    )  # fmt: skip
    [found] = filters(group, {"x.weight": weight})
    assert torch.equal(found, weight[[2, 3, 6, 7]])


def by_chance(seed: int, name: str) -> list[float]:
    found: list[float] = random.CRITERION.score(
        replace(SCORING, seed=seed), replace(GROUP, name=name, size=400)
    ).tolist()
    return found


def test_chance_is_uniform_and_another_for_every_seed_and_group() -> None:
    drawn = [by_chance(0, "a"), by_chance(1, "a"), by_chance(0, "b")]
    assert len({tuple(each) for each in drawn}) == 3
    for each in drawn:
        tenths = torch.histc(torch.tensor(each), bins=10, min=0, max=1)
        assert tenths.min() >= 15  # 40 are expected, with a standard deviation of 6
        assert tenths.max() <= 65


def test_chance_is_the_same_in_every_process() -> None:
    code = "from tests.core.criteria.test_norms import by_chance; print(by_chance(3, 'a'))"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True,
        env={**os.environ, "PYTHONHASHSEED": "12345"},
    )  # fmt: skip
    assert done.stdout.strip() == str(by_chance(3, "a"))
