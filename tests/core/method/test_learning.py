"""Which candidates learn, for how long, and in which order they are tested: arithmetic stands in for training."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest

from primesvt_client.progress import Progress
from primesvt_core.method.aims import BEFORE_LEARNING, Aim
from primesvt_core.method.learning import best_learns, deeper_ones_learn
from primesvt_core.method.recovered import Compared, Recovered
from primesvt_core.method.recovering import Recovery
from primesvt_core.method.search import Agreement, Found, Search
from primesvt_core.method.shortlist import Forecast, Measured
from primesvt_core.method.steps import StepProgress
from primesvt_core.spec import FineTuning
from primesvt_core.types import CurvePoint, Rates, Step

EXPECTED = Forecast(drop_a_nat=0.5, quantile=0.0, samples=1000)
"""Without spread: a bound is half the divergence."""

DROP = 0.0301
SECONDS = 100.0


def point(saving: float, divergence: float) -> CurvePoint:
    return CurvePoint(
        rates={"g": saving}, accuracy=0.7, accuracy_drop=0.0, parameter_bytes=round(1000 * (1 - saving)),
        memory_saving=saving, divergence=divergence,
    )  # fmt: skip


CURVE = [point(n / 20, 0.2 * n / 20) for n in range(1, 20)]
"""Divergence 0.2 at all: without learning a bound of 3 points is that of 30 %, with half of it left that of 60 %."""

POINTS = [Measured(point=one, differing=0.0, samples=1000) for one in CURVE]
FOUND = Found(
    search=Search(curve=tuple(CURVE), best=CURVE[5], fallbacks=tuple(CURVE[:5]), reached=True, is_shortlist=True),
    cells=(), evaluations=0, agreement=Agreement(compared=0, differing=0), images=1000,
)  # fmt: skip


class Learning:
    """Leaves so much of every divergence, the longer it learns the less: all of that after its time.

    Attributes:
        asked: savings of the candidates that learned, and their seconds.
    """

    def __init__(self, gain: float) -> None:
        self.gain, self.asked = gain, list[tuple[float, float]]()
        self.settings, self.divergences = FineTuning(seconds=SECONDS), self

    def point(self, rates: Rates, found: Compared) -> CurvePoint:
        return point(rates["g"], found.divergence)

    def tune(
        self, rates: Rates, seconds: float, is_enough: Callable[[Compared], bool], _note: Callable[[str], None]
    ) -> Recovered:
        self.asked.append((rates["g"], seconds))
        before = compared(0.2 * rates["g"])
        for part in (0.5, 1.0):
            after = compared(before.divergence * (1 - part * (1 - self.gain)))
            if is_enough(after):
                break
        return Recovered(
            state={}, images=1, steps=1, planned=1, seconds=part * seconds, losses=(1.0,), before=before, after=after,
            is_kept=self.gain < 1,
        )  # fmt: skip


def compared(divergence: float) -> Compared:
    return Compared(divergence=divergence, accuracy=0.7, lost=0, won=0, samples=1000)


def learned(gain: float) -> tuple[Search, Learning]:
    learning, aim = Learning(gain), Aim(expected=EXPECTED, allowed_drop=DROP, accuracy=0.7)
    progress = StepProgress(cast("Callable[[Progress], None]", lambda _: None), Step.FINE_TUNE, None)
    found = deeper_ones_learn(FOUND, POINTS, EXPECTED, aim, cast("Recovery", learning), progress)
    return found.search, learning


def test_the_first_will_probably_hold_and_the_second_is_deeper_once_it_does() -> None:
    search, learning = learned(0.0)
    (first, half), (second, rest) = learning.asked
    assert first == pytest.approx(0.35)  # a bound of 2.3 points with 65 % of the divergence left: within 85 % of 3
    assert half == SECONDS / 2
    assert rest == pytest.approx(SECONDS - SECONDS / 4)  # it was enough after half of its time
    assert second == pytest.approx(0.6)  # which half of the divergence brings to 3 points
    assert [p.memory_saving for p in (search.fallbacks[-1], search.best)] == [first, second]


def test_the_second_is_gentler_where_the_first_has_learned_too_little() -> None:
    search, learning = learned(0.8)
    (first, half), (second, rest) = learning.asked
    assert (half, rest) == (SECONDS / 2, SECONDS / 2)
    assert second == pytest.approx(0.3)  # of 0.06 nats 0.048 will be left: 2.4 points
    assert [p.memory_saving for p in (search.fallbacks[-1], search.best)] == [second, first]


def test_before_them_those_are_tested_that_hold_as_they_are() -> None:
    search, learning = learned(0.0)
    safe = [p for p in search.fallbacks if p.rates["g"] not in dict(learning.asked)]
    assert safe
    assert all(0.5 * (p.divergence or 0.0) <= BEFORE_LEARNING * DROP + 1e-9 for p in safe)
    savings = [p.memory_saving for p in (*search.fallbacks, search.best)]
    assert savings == sorted(set(savings))
    assert search.is_shortlist


def test_where_nothing_was_learned_the_search_stands() -> None:
    search, learning = learned(1.0)
    assert learning.asked
    assert search == FOUND.search


@pytest.mark.parametrize(("gain", "part"), [(0.1, 0.5), (0.9, 1.0)])
def test_what_has_to_reach_a_target_has_all_the_time(gain: float, part: float) -> None:
    learning, aim = Learning(gain), Aim(expected=EXPECTED, allowed_drop=DROP, accuracy=0.7)
    progress = StepProgress(cast("Callable[[Progress], None]", lambda _: None), Step.FINE_TUNE, None)
    found = best_learns(FOUND, aim, cast("Recovery", learning), progress)
    assert learning.asked == [(CURVE[5].memory_saving, SECONDS)]
    left = 1 - part * (1 - gain)
    assert found.search.best == point(CURVE[5].memory_saving, 0.2 * CURVE[5].memory_saving * left)
    assert found.search.fallbacks == FOUND.search.fallbacks
