"""Activity and variance, from the inputs of every consumer, collected row by row."""

from __future__ import annotations

import pytest
import torch

from primesvt_core import calibration
from primesvt_core.criteria import activity, variance
from primesvt_core.criteria._base import scores_of
from tests.core.criteria.fork import SIZE, forked, rows_of

KINDS = ["linear", "3x3", "grouped"]


@pytest.fixture(autouse=True)
def all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "ROWS_A_COLUMN", 10**9)


@pytest.mark.parametrize("kinds", [KINDS[:1], KINDS[1:2], KINDS], ids="+".join)
def test_activity_is_the_norm_of_the_filters_times_the_mean_rate_that_consumers_see(kinds: list[str]) -> None:
    model, scoring = forked(kinds)
    rates = torch.zeros(len(kinds), SIZE, dtype=torch.float64)
    for at, found in enumerate(rows_of(model, scoring).values()):
        for x, _, channels in found:
            assert {*x.flatten().tolist()} == {0.0, 1.0}
            for channel in {*channels}:
                rates[at, channel] = x[:, [c == channel for c in channels]].mean()
    wanted = model.first.weight.detach().float().double().flatten(1).norm(dim=1) * rates.mean(0)
    found_scores = scores_of("it", activity.CRITERION, scoring, scoring.groups[0])
    assert found_scores == pytest.approx(wanted.tolist(), rel=1e-12)


@pytest.mark.parametrize("kinds", [KINDS[:1], KINDS[1:2], KINDS], ids="+".join)
def test_variance_is_that_of_the_currents_that_a_channel_alone_brings(kinds: list[str]) -> None:
    model, scoring = forked(kinds)
    wanted = torch.zeros(SIZE, dtype=torch.float64)
    for found in rows_of(model, scoring).values():
        for x, weight, channels in found:
            for column, channel in enumerate(channels):
                currents = x[:, column, None] * weight[:, column]
                wanted[channel] += currents.var(0, correction=0).sum()
    found_scores = scores_of("it", variance.CRITERION, scoring, scoring.groups[0])
    assert found_scores == pytest.approx(wanted.tolist(), rel=1e-10)
