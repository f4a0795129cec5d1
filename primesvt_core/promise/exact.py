"""An exact upper bound of the paired drop, for few images.

The bound is Buehler's (Ann. Math. Stat. 28:1, 1957; for paired proportions: Lloyd and Moldovan, Stat. Med. 26:3369,
2007). Outcomes are put in an order, from the best for the pruned model to the worst; the bound of one is the largest
drop under which an outcome no worse than it still has the probability 1 - confidence, for the least favourable
probability of a won image. It holds with at least the confidence whatever that probability is, and outcomes that are
worse have no smaller bounds.

The order is that of the score bound (`promise.score`), except that outcomes without a lost image come first, those with
most won images leading. Otherwise pairs of models that disagree on nearly every image, of which parity makes the
statistic coarse, would decide what can be proven where nothing is lost: 3.5 / n instead of 3.0 / n at 95 %.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import bdtr, gammaln

from primesvt_core.promise.score import score, score_upper_bound

Floats = NDArray[np.float64]

GRID = 160
"""Probabilities of a won image that are tried first; as many again are tried around the best ones."""

REFINED = 3
LOG_NEGLIGIBLE = -36.0
"""Numbers of won images of a probability below 2e-16 are left out."""

TIE = 1e-9
PRECISION = 1e-7
"""Of the bound, to the safe side."""

ROUNDS = 20


def exact_upper_bound(samples: int, lost: int, won: int, confidence: float) -> float:
    """The bound of the true drop, given the images that only the original, and only the pruned model, gets right.

    Takes about 50 ms for 499 images.
    """
    drop, error = (lost - won) / samples, 1 - confidence
    if lost == samples:
        return 1.0
    likely = _Probability(samples, _no_worse(samples, lost, won, confidence))
    bound = max(drop, score_upper_bound(samples, lost, won, confidence))
    for _ in range(ROUNDS):
        share = likely.least_favourable(bound)
        bound, last = likely.drop_at(error, share), bound
        if abs(bound - last) <= PRECISION:
            break
    return max(bound + PRECISION, drop)


def _no_worse(samples: int, lost: int, won: int, confidence: float) -> NDArray[np.int64]:
    """Outcomes that are no worse than the observed one, as the most lost images for every number of won ones, or -1.

    With an outcome its region holds those with fewer lost and those with more won images.
    """
    every = np.arange(samples + 1)
    if lost == 0:
        return np.where(every >= won, 0, -1)
    limit = score_upper_bound(samples, lost, won, confidence)
    quantile = NormalDist().inv_cdf(confidence)
    low, high = np.zeros(samples + 1, np.int64), samples - every
    while np.any(low < high):
        middle = (low + high + 1) // 2
        is_inside = score(samples, middle, every, limit) <= -quantile + TIE
        low, high = np.where(is_inside, middle, low), np.where(is_inside, high, middle - 1)
    low[won] = max(low[won], lost)
    return np.maximum.accumulate(low) if limit < 1 else samples - every


class _Probability:
    """The probability of a region, by the true drop and the probability of a won image.

    The latter is given as the share of what the drop leaves for it: 0 as few images as possible are won, 1 as many. At
    a fixed share the probability falls as the drop rises.
    """

    def __init__(self, samples: int, region: NDArray[np.int64]) -> None:
        self.samples, self.region = samples, region
        self.won = np.arange(samples + 1)
        self.log_choices = gammaln(samples + 1) - gammaln(self.won + 1) - gammaln(samples - self.won + 1)

    def __call__(self, drop: float, shares: Floats) -> Floats:
        """Probability for each of the shares ``(S,)``."""
        least = max(0.0, -drop)
        won = np.minimum(least + shares * (1 - abs(drop)) / 2, 1.0)[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = self.log_choices + _times_log(self.won, np.log(won))
            logs += _times_log(self.samples - self.won, np.log1p(-won))
            lost = np.clip(np.where(won < 1, (won + drop) / (1 - won), 0.0), 0.0, 1.0)
        rows, columns = np.nonzero((logs > LOG_NEGLIGIBLE) & (self.region >= 0))
        weight = np.exp(logs[rows, columns])
        left = self.samples - self.won[columns]
        inside = bdtr(np.minimum(self.region[columns], left).astype(np.float64), left, lost[rows, 0])
        return np.bincount(rows, weight * inside, len(shares)).astype(np.float64)

    def least_favourable(self, drop: float) -> float:
        """The share with the highest probability.

        The grid is dense at both ends, where the probability changes within a few images' worth.
        """
        grid = np.sin(np.linspace(0, np.pi / 2, GRID)) ** 2
        best = np.argsort(self(drop, grid))[-REFINED:]
        ends = [(grid[max(i - 1, 0)], grid[min(i + 1, GRID - 1)]) for i in best]
        finer = np.concatenate([grid[best], *(np.linspace(low, high, GRID // REFINED) for low, high in ends)])
        return float(finer[np.argmax(self(drop, finer))])

    def drop_at(self, probability: float, share: float) -> float:
        """The drop under which the region has this probability."""
        at = np.array([share])
        return float(brentq(lambda drop: self(drop, at)[0] - probability, -1.0, 1.0, xtol=PRECISION / 4))


def _times_log(counts: NDArray[np.int64], logs: Floats) -> Floats:
    """``counts * logs``, where nothing times minus infinity is nothing."""
    return np.where(counts == 0, 0.0, counts * logs)
