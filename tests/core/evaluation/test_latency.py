"""Runs in turn, and their spread."""

from __future__ import annotations

import torch

from primesvt_core.evaluation.latency import LEAST_ROUNDS, Spread, latencies, spread_of, times_in_turn
from primesvt_core.testing.models import tiny


def test_quartiles() -> None:
    """Of 1, 2, 3, 4, 100 the quartiles are 2, 3, 4: one run that something interrupted does not count."""
    assert spread_of([4.0, 100.0, 1.0, 3.0, 2.0]) == Spread(median=3.0, low=2.0, high=4.0)


def test_they_are_called_in_turn_and_the_first_round_does_not_count() -> None:
    called: list[str] = []
    times = times_in_turn([lambda: called.append("a"), lambda: called.append("b")], rounds=3)
    assert called == ["a", "b"] * 4
    assert [len(found) for found in times] == [3, 3]


def test_models_are_measured_on_one_image() -> None:
    seen: list[int] = []
    models = [tiny().family.build(tiny().config).eval() for _ in range(2)]
    models[1].register_forward_hook(lambda _module, inputs, _logits: seen.append(len(inputs[0])))
    found = latencies(models, torch.rand(1, 1, 16, 16))
    assert len(found) == 2
    assert all(0 < spread.low <= spread.median <= spread.high for spread in found)
    assert {*seen} == {1}
    assert len(seen) > LEAST_ROUNDS
