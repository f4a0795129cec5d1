"""Which bound holds for how many images, and that it covers what it promises to cover."""

from __future__ import annotations

import numpy as np
import pytest

from primesvt_core.promise.bounds import Paired, drop_lower_bound, drop_upper_bound, paired
from primesvt_core.promise.exact import exact_upper_bound
from primesvt_core.promise.provable import smallest_provable_drop
from primesvt_core.promise.score import score_upper_bound


def test_pairs_count_only_images_on_which_the_models_differ() -> None:
    pair = paired([True, True, False, False], [True, False, True, False])
    assert (pair.samples, pair.lost, pair.won, pair.drop) == (4, 1, 1, 0.0)


def test_the_exact_bound_holds_below_500_images_and_tangos_from_there_on() -> None:
    assert drop_upper_bound(Paired(samples=499, lost=9, won=4), 0.95) == exact_upper_bound(499, 9, 4, 0.95)
    assert drop_upper_bound(Paired(samples=500, lost=9, won=4), 0.95) == score_upper_bound(500, 9, 4, 0.95)


@pytest.mark.parametrize("lost", range(0, 30, 3))
def test_the_exact_bound_is_never_the_smaller_one(lost: int) -> None:
    """Tango's bound errs a little more often than it says where few images are won: the exact one closes that."""
    for won in range(0, 12, 3):
        assert exact_upper_bound(200, lost, won, 0.95) >= score_upper_bound(200, lost, won, 0.95) - 1e-6


@pytest.mark.parametrize("samples", [200, 1000])
def test_the_bound_covers_the_true_drop_with_its_confidence(samples: int) -> None:
    generator = np.random.default_rng(0)
    draws = generator.multinomial(samples, (0.03, 0.0, 0.97), size=2000)
    bounds = [drop_upper_bound(Paired(samples=samples, lost=a, won=b), 0.9) for a, b, _ in draws.tolist()]
    assert np.mean(np.array(bounds) < 0.03) <= 0.1 + 3 * (0.09 / 2000) ** 0.5


@pytest.mark.parametrize("samples", [300, 800])
def test_the_lower_bound_is_the_upper_one_of_the_models_exchanged(samples: int) -> None:
    pair, exchanged = Paired(samples=samples, lost=20, won=18), Paired(samples=samples, lost=18, won=20)
    assert drop_lower_bound(pair, 0.95) == -drop_upper_bound(exchanged, 0.95)
    assert drop_lower_bound(pair, 0.95) < pair.drop < drop_upper_bound(pair, 0.95)


@pytest.mark.parametrize("samples", [60, 300, 800])
@pytest.mark.parametrize("confidence", [0.95, 0.99])
def test_won_images_prove_no_less_than_that_nothing_is_lost(samples: int, confidence: float) -> None:
    """So that a drop which is refused as unprovable could not be proven whatever is found."""
    smallest = smallest_provable_drop(samples, confidence)
    for lost, won in ((0, 0), (0, 5), (0, samples)):
        assert drop_upper_bound(Paired(samples=samples, lost=lost, won=won), confidence) == smallest
    assert drop_upper_bound(Paired(samples=samples, lost=1, won=30), confidence) >= smallest


def test_the_lower_bound_of_much_lost_is_high() -> None:
    assert drop_lower_bound(Paired(samples=500, lost=100, won=0), 0.99) > 0.15
