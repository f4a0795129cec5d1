"""How long one image takes: models in turn, so that a machine that slows down slows all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import quantiles

import torch
from torch import Tensor

from primesvt_core.layers.model import SpikingModel

ROUNDS, LEAST_ROUNDS = 21, 5
ENOUGH_SECONDS = 20.0
"""After which no further round is begun, once there are enough for quartiles."""


@dataclass(frozen=True)
class Spread:
    """Times of one thing.

    Attributes:
        median: seconds.
        low: a quarter of the times were shorter.
        high: a quarter were longer.
    """

    median: float
    low: float
    high: float


def spread_of(times: Sequence[float]) -> Spread:
    """The median and the quartiles of two or more times."""
    low, middle, high = quantiles(times, n=4, method="inclusive")
    return Spread(middle, low, high)


def times_in_turn(runs: Sequence[Callable[[], object]], rounds: int = ROUNDS) -> list[list[float]]:
    """Seconds of each of ``runs``, called one after the other round by round; the first round does not count."""
    times: list[list[float]] = [[] for _ in runs]
    began = time.perf_counter()
    for round_ in range(rounds + 1):
        for run, found in zip(runs, times, strict=True):
            start = time.perf_counter()
            run()
            if round_:
                found.append(time.perf_counter() - start)
        if round_ >= LEAST_ROUNDS and time.perf_counter() - began > ENOUGH_SECONDS:
            break
    return times


def latencies(models: Sequence[SpikingModel], image: Tensor) -> list[Spread]:
    """Seconds that each model takes for ``image``, ``(1, ...)``, in turn.

    A result is fetched from the device, so that it is there when the clock is read.
    """

    def runs(model: SpikingModel) -> Callable[[], object]:
        return lambda: model(image).cpu()

    with torch.inference_mode():
        return [spread_of(times) for times in times_in_turn([runs(model) for model in models])]
