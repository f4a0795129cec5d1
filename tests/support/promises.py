"""Simulated confirmations through the product's own code: how often a candidate is delivered that drops too much."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

from primesvt_core.method.confirmation import chosen, confirm, spaced
from primesvt_core.promise.bounds import Paired
from primesvt_core.promise.looks import look_counts
from primesvt_core.types import CurvePoint

BUDGET, CONFIDENCE = 0.03, 0.95
SAMPLES = (100, 300, 1000, 4000)
LEVELS = {"at": 0.03, "just above": 0.031, "far above": 0.06}
"""True drops of the bad candidates. One that drops by exactly the budget counts as bad, too: the hardest case."""

CURVES = {
    "rising": (0.005, 0.015, None, None),
    "flat": (None, None, None, None),
    "zigzag": (0.01, None, 0.005, None),
    "falling": (None, None, 0.005, 0.0),
}
"""True drops of the candidates that are tested, the gentlest first; None where it is bad. A rising one is monotone."""

CANDIDATES = tuple(
    CurvePoint(rates={"g": n / 10}, accuracy=0.9, accuracy_drop=0.0, parameter_bytes=100 - 10 * n, memory_saving=n / 10)
    for n in range(1, 9)
)
TESTED = spaced(CANDIDATES)


@dataclass(frozen=True)
class Scenario:
    """One true state of affairs.

    Attributes:
        samples: confirmation images.
        mode: ``gate`` with a memory target, ``sequence`` without one.
        curve: of `CURVES`.
        level: of `LEVELS`.
        won: probability that a candidate gets an image right that the original does not.
        nested: whether the candidates lose the same images, or independent ones.
        by_disagreement: whether disagreements are allowed and judged, with the true drops as true disagreements.
    """

    samples: int
    mode: str
    curve: str
    level: str
    won: float
    nested: bool
    by_disagreement: bool = False

    @property
    def drops(self) -> tuple[float, ...]:
        """True drop of every tested candidate."""
        return tuple(LEVELS[self.level] if drop is None else drop for drop in CURVES[self.curve])


@dataclass(frozen=True)
class Found:
    """What many runs of a scenario came to: shares of the runs, and means over them."""

    broken: float
    delivered: float
    saving: float
    tests: float
    images: float


def scenarios() -> Iterator[Scenario]:
    """All of them; of disagreements, of which none is won, half as many."""
    factors = product(SAMPLES, ("gate", "sequence"), CURVES, LEVELS, (0.0, 0.02), (True, False))
    yield from (Scenario(*one) for one in factors)
    without_labels = product(SAMPLES, ("gate", "sequence"), CURVES, LEVELS, (0.0,), (True, False))
    yield from (Scenario(*one, by_disagreement=True) for one in without_labels)


def counts(scenario: Scenario, runs: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Images lost and won by each candidate up to each look: ``(runs, candidates, looks, 2)``."""
    looks = look_counts(scenario.samples)
    pieces = [end - start for start, end in pairwise((0, *looks))]
    lost = np.array(scenario.drops) + scenario.won
    rows = [np.argsort(lost)] if scenario.nested else [np.array([i]) for i in range(len(lost))]
    drawn = np.zeros((runs, len(lost), len(looks), 2), np.int64)
    for order, (look, piece) in product(rows, enumerate(pieces)):
        # Images fall into bins: lost by all of these candidates, by all but the most robust, ..., won by all, same.
        bins = [*np.diff(np.concatenate([[0.0], lost[order]])), scenario.won]
        found = generator.multinomial(piece, [*bins, max(0.0, 1 - sum(bins))], size=runs)
        for place, candidate in enumerate(order):
            drawn[:, candidate, look, 0] = found[:, : place + 1].sum(1)
            drawn[:, candidate, look, 1] = found[:, len(order)]
    return drawn.cumsum(2)


def simulate(scenario: Scenario, runs: int, seed: int = 0) -> Found:
    """Confirm ``runs`` times on images drawn anew."""
    looks, place = look_counts(scenario.samples), {p.memory_saving: i for i, p in enumerate(TESTED)}
    bad = [drop >= BUDGET for drop in scenario.drops]
    drawn = counts(scenario, runs, np.random.default_rng(seed))
    sums = np.zeros(5)
    for run in drawn:
        seen: dict[int, int] = {}

        def judge(point: CurvePoint, samples: int, run: NDArray[np.int64] = run, seen: dict[int, int] = seen) -> Paired:
            candidate = place[point.memory_saving]
            seen[candidate] = max(seen.get(candidate, 0), samples)
            lost, won = run[candidate, looks.index(samples)]
            is_disagreement = scenario.by_disagreement
            return Paired(samples=samples, lost=int(lost), won=int(won), by_disagreement=is_disagreement)

        trials = confirm(
            CANDIDATES[-1], CANDIDATES[:-1], judge, BUDGET, CONFIDENCE,
            samples=scenario.samples, reaches_target=scenario.mode == "gate",
            by_disagreement=scenario.by_disagreement,
        )  # fmt: skip
        kept = chosen(trials)
        if kept is not None:
            sums[:3] += bad[place[kept.candidate.memory_saving]], 1, kept.candidate.memory_saving
        sums[3:] += len(seen), sum(seen.values())
    return Found(*(sums / runs).tolist())


def row(scenario: Scenario, found: Found) -> dict[str, object]:
    """Both as one flat document."""
    return {**asdict(scenario), **asdict(found)}
