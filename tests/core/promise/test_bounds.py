"""The bound of the true drop solves its equation and errs on the safe side."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from primesvt_core.promise.bounds import Paired, drop_upper_bound, paired


def test_pairs_count_only_images_on_which_the_models_differ() -> None:
    pair = paired([True, True, False, False], [True, False, True, False])
    assert (pair.samples, pair.lost, pair.won, pair.drop) == (4, 1, 1, 0.0)


@pytest.mark.parametrize(("lost", "won", "samples"), [(151, 85, 4000), (3, 0, 400), (12, 2, 50)])
def test_the_bound_is_where_the_score_statistic_meets_the_quantile(lost: int, won: int, samples: int) -> None:
    """The statistic's nuisance probability is found here by maximising the likelihood numerically."""
    bound = drop_upper_bound(Paired(samples=samples, lost=lost, won=won), 0.95)

    def unlikelihood(q: float) -> float:
        same = max(samples - lost - won, 0)
        return -(lost * math.log(q + bound) + (won * math.log(q) if won else 0) + same * math.log(1 - 2 * q - bound))

    q = float(
        minimize_scalar(
            unlikelihood, bounds=(1e-12, (1 - bound) / 2 - 1e-12), method="bounded", options={"xatol": 1e-12}
        ).x
    )
    statistic = (lost - won - samples * bound) / math.sqrt(samples * (2 * q + bound * (1 - bound)))
    assert statistic == pytest.approx(-norm.ppf(0.95), abs=1e-3)


def test_the_bound_covers_the_true_drop_with_its_confidence() -> None:
    generator = np.random.default_rng(0)
    draws = generator.multinomial(400, (0.05, 0.02, 0.93), size=400)
    covered = sum(drop_upper_bound(Paired(samples=400, lost=a, won=b), 0.9) >= 0.03 for a, b, _ in draws.tolist())
    assert covered / 400 >= 0.87


def test_without_differences_the_bound_is_small_but_not_zero() -> None:
    assert 0.0 < drop_upper_bound(Paired(samples=400, lost=0, won=0), 0.95) < 0.01
