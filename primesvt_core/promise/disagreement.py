"""Bounds of a disagreement: the share of images on which two models predict different classes, given some of them.

It is a binomial share, so that Clopper and Pearson's bounds (Biometrika 26:404, 1934) hold for every number of images.
Where the models agree, both are right or both are wrong: the accuracy drop is at most the disagreement, whatever the
labels are.
"""

from __future__ import annotations

from functools import lru_cache

from scipy.special import betaincinv

from primesvt_core.promise.provable import smallest_provable_disagreement

REMEMBERED = 1 << 16
MOST_IMAGES = 1 << 40


@lru_cache(REMEMBERED)
def disagreement_upper_bound(samples: int, differing: float, confidence: float) -> float:
    """One-sided upper confidence bound of the true disagreement.

    It does not fall with another differing image. Where none differs it is what so many images can prove at best.

    Args:
        samples: images that were compared, at least 1.
        differing: of them, those with another prediction; may be a fraction, to ask for other numbers at the same rate.
        confidence: in [0.5, 1).
    """
    if differing == 0:
        return smallest_provable_disagreement(samples, confidence)
    return 1.0 if differing >= samples else float(betaincinv(differing + 1, samples - differing, confidence))


@lru_cache(REMEMBERED)
def disagreement_lower_bound(samples: int, differing: int, confidence: float) -> float:
    """One-sided lower confidence bound of the true disagreement; arguments as of the upper one."""
    return 0.0 if differing == 0 else float(betaincinv(differing, samples - differing + 1, 1 - confidence))


def images_to_prove_disagreement(samples: int, differing: int, allowed: float, confidence: float) -> int | None:
    """About how many images would prove a disagreement if the models differed as often as on these; None if none would.

    Args:
        samples: images that were compared.
        differing: of them, those with another prediction.
        allowed: disagreement that is to be proven.
        confidence: of the bound.
    """
    rate = differing / samples
    if rate >= allowed:
        return None
    few, enough = 0, samples
    while disagreement_upper_bound(enough, rate * enough, confidence) > allowed:
        few, enough = enough, 2 * enough
        if enough > MOST_IMAGES:
            return None
    while enough - few > 1:
        middle = (few + enough) // 2
        is_proven = disagreement_upper_bound(middle, rate * middle, confidence) <= allowed
        few, enough = (few, middle) if is_proven else (middle, enough)
    return enough
