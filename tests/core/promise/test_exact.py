"""The exact bound: its probability found by brute force, its size, its order."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from primesvt_core.promise.exact import exact_upper_bound
from primesvt_core.promise.score import score_upper_bound

CONFIDENCE = 0.95


def outcomes(samples: int) -> list[tuple[int, int]]:
    return [(lost, won) for lost in range(samples + 1) for won in range(samples + 1 - lost)]


def probabilities(samples: int, drop: float, won: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of every outcome, by the multinomial formula: ``(outcomes, len(won))``."""
    rows = []
    for a, b in outcomes(samples):
        choices = math.factorial(samples) // (math.factorial(a) * math.factorial(b) * math.factorial(samples - a - b))
        same = np.maximum(1 - 2 * won - drop, 0.0)
        rows.append(choices * (won + drop) ** a * won**b * same ** (samples - a - b))
    return np.array(rows)


def nuisance(drop: float, steps: int) -> NDArray[np.float64]:
    low, high = max(0.0, -drop), (1 - drop) / 2
    return low + (high - low) * np.sin(np.linspace(0, np.pi / 2, steps)) ** 2


def rank(samples: int, lost: int, won: int) -> tuple[int, float]:
    """Outcomes without a lost image first, by won images; the others by Tango's bound."""
    return (0, -won) if lost == 0 else (1, score_upper_bound(samples, lost, won, CONFIDENCE))


@pytest.mark.parametrize("samples", [6, 11])
def test_it_is_the_largest_drop_under_which_no_better_outcome_is_unlikely(samples: int) -> None:
    """Just below the bound some nuisance makes outcomes no worse likelier than the error; just above none does."""
    ranks = {one: rank(samples, *one) for one in outcomes(samples)}
    for lost, won in outcomes(samples):
        bound = exact_upper_bound(samples, lost, won, CONFIDENCE)
        no_worse = np.array([ranks[one] <= ranks[lost, won] for one in outcomes(samples)])
        if lost == samples:
            assert bound == 1.0
            continue
        for drop, is_likely in ((bound - 1e-3, True), (bound + 1e-3, False)):
            if -1 < drop < 1 and (drop > (lost - won) / samples or not is_likely):
                found = probabilities(samples, drop, nuisance(drop, 2000))[no_worse].sum(0).max()
                assert bool(found > 1 - CONFIDENCE) is is_likely, (lost, won, drop, found)


@pytest.mark.parametrize(("samples", "lost", "won"), [(499, 12, 9), (499, 40, 30), (300, 1, 1), (499, 3, 0)])
def test_with_many_images_too(samples: int, lost: int, won: int) -> None:
    """The region is found here row by row, its probability from scipy's distribution, on a fine grid."""
    bound, limit = exact_upper_bound(samples, lost, won, 0.96), score_upper_bound(samples, lost, won, 0.96)
    region: list[int] = []
    for b in range(samples + 1):
        a = region[-1] if region else 0
        while a + 1 + b <= samples and _bound_below(samples, a + 1, b, limit):
            a += 1
        region.append(a)
    for drop, is_likely in ((bound - 2e-4, True), (bound + 2e-4, False)):
        q = nuisance(drop, 400)[:, None]
        every = np.arange(samples + 1)[None]
        inside = binom.cdf(np.minimum(region, samples - every), samples - every, np.minimum((q + drop) / (1 - q), 1))
        found = np.asarray(binom.pmf(every, samples, q) * inside).sum(1).max()
        assert bool(found > 0.04) is is_likely, (drop, found)


def _bound_below(samples: int, lost: int, won: int, limit: float) -> bool:
    return (lost - won) / samples <= limit and score_upper_bound(samples, lost, won, 0.96) <= limit + 1e-9


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_a_worse_outcome_has_no_smaller_bound_and_none_is_below_what_was_measured(confidence: float) -> None:
    samples = 15
    bounds = {one: exact_upper_bound(samples, *one, confidence) for one in outcomes(samples)}
    for (lost, won), bound in bounds.items():
        assert bound >= (lost - won) / samples
        assert bound <= bounds.get((lost + 1, won), 1.0) + 1e-6
        assert bound >= bounds.get((lost, won + 1), -1.0) - 1e-6
    assert all(bounds[0, 0] <= bounds[lost, 0] for lost in range(1, samples + 1))


@pytest.mark.parametrize("samples", [8, 15])
@pytest.mark.parametrize("confidence", [0.9, 0.96])
def test_it_errs_with_at_most_the_error_whatever_is_won(samples: int, confidence: float) -> None:
    bounds = np.array([exact_upper_bound(samples, *one, confidence) for one in outcomes(samples)])
    worst = 0.0
    for drop in np.linspace(-0.3, 0.9, 61):
        chance = probabilities(samples, drop, nuisance(drop, 200))
        worst = max(worst, float(chance[bounds < drop].sum(0).max(initial=0.0)))
    assert 0.5 * (1 - confidence) < worst <= 1 - confidence


def test_where_nothing_is_lost_it_has_a_closed_form() -> None:
    for samples, confidence in itertools.product((1, 2, 7, 100, 499), (0.9, 0.95, 0.99)):
        wanted = 1 - (1 - confidence) ** (1 / samples)
        assert exact_upper_bound(samples, 0, 0, confidence) == pytest.approx(wanted, abs=2e-7)
