"""Tango's bound solves its equation; the statistic of arrays is that of numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from primesvt_core.promise.score import score, score_upper_bound

COUNTS = [(151, 85, 4000), (3, 0, 400), (12, 2, 50), (0, 4, 50), (0, 0, 30)]


def statistic(lost: int, won: int, samples: int, drop: float) -> float:
    """The nuisance probability is found here by maximising the likelihood numerically."""

    def unlikelihood(q: float) -> float:
        same = samples - lost - won
        logs = [(lost, q + drop), (won, q), (same, 1 - 2 * q - drop)]
        return -sum(count * math.log(p) for count, p in logs if count)

    low = max(0.0, -drop)
    q = float(
        minimize_scalar(
            unlikelihood, bounds=(low + 1e-12, (1 - drop) / 2 - 1e-12), method="bounded", options={"xatol": 1e-12}
        ).x
    )
    return (lost - won - samples * drop) / math.sqrt(samples * (2 * q + drop * (1 - drop)))


@pytest.mark.parametrize(("lost", "won", "samples"), COUNTS)
@pytest.mark.parametrize("confidence", [0.95, 0.99])
def test_the_bound_is_where_the_score_statistic_meets_the_quantile(
    lost: int, won: int, samples: int, confidence: float
) -> None:
    bound = score_upper_bound(samples, lost, won, confidence)
    assert statistic(lost, won, samples, bound) == pytest.approx(-norm.ppf(confidence), abs=1e-3)


@pytest.mark.parametrize("drop", [-0.2, -0.01, 0.02, 0.3])
def test_the_statistic_of_many_pairs_is_that_of_each(drop: float) -> None:
    lost, won = np.array([0, 3, 12, 40]), np.array([7, 0, 2, 41])
    wanted = [statistic(int(a), int(b), 100, drop) for a, b in zip(lost, won, strict=True)]
    np.testing.assert_allclose(score(100, lost, won, drop), wanted, rtol=1e-4, atol=1e-4)


def test_where_all_images_are_lost_nothing_is_bounded() -> None:
    assert score_upper_bound(50, 50, 0, 0.95) == 1.0
