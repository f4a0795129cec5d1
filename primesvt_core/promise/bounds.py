"""Bounds of the true loss of accuracy, given what both models got right on the same images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from primesvt_core.promise.disagreement import disagreement_lower_bound, disagreement_upper_bound
from primesvt_core.promise.exact import exact_upper_bound
from primesvt_core.promise.provable import FEWEST_FOR_SCORE, smallest_provable_drop
from primesvt_core.promise.score import score_upper_bound

REMEMBERED = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Paired:
    """Two models on the same images.

    Attributes:
        samples: images.
        lost: images that only the original gets right.
        won: images that only the pruned model gets right.
        by_disagreement: whether no labels count, but what the original says: then ``lost`` are the images on which the
            models differ, none is won, and the drop is their disagreement.
    """

    samples: int
    lost: int
    won: int
    by_disagreement: bool = False

    @property
    def drop(self) -> float:
        """Accuracy of the original minus accuracy of the pruned model."""
        return (self.lost - self.won) / self.samples


def paired(before: Sequence[bool], after: Sequence[bool]) -> Paired:
    """Count what two models got right on the same images."""
    both = list(zip(before, after, strict=True))
    return Paired(samples=len(both), lost=sum(b and not a for b, a in both), won=sum(a and not b for b, a in both))


def differing(agrees: Sequence[bool]) -> Paired:
    """Count where two models differ.

    Args:
        agrees: of every image, whether the pruned model says what the original does.
    """
    return Paired(samples=len(agrees), lost=len(agrees) - sum(agrees), won=0, by_disagreement=True)


def drop_upper_bound(pair: Paired, confidence: float) -> float:
    """One-sided upper confidence bound of the true drop: exact below 500 images, Tango's score bound from there on.

    Never below the drop that was measured, nor below what so many images can prove if nothing is lost
    (`promise.provable`), however many are won: what is refused before a run as unprovable is so whatever the run finds.
    It does not fall with another lost image, nor rise with another won one. Of a disagreement it is the exact binomial
    one (`promise.disagreement`), whatever the number of images.
    """
    if pair.by_disagreement:
        return disagreement_upper_bound(pair.samples, pair.lost, confidence)
    smallest = smallest_provable_drop(pair.samples, confidence)
    return smallest if pair.lost == 0 else max(_upper_bound(pair.samples, pair.lost, pair.won, confidence), smallest)


def drop_lower_bound(pair: Paired, confidence: float) -> float:
    """One-sided lower confidence bound of the true drop: the upper bound of what is won, negated; of a disagreement the
    exact binomial one.
    """
    if pair.by_disagreement:
        return disagreement_lower_bound(pair.samples, pair.lost, confidence)
    return -_upper_bound(pair.samples, pair.won, pair.lost, confidence)


@lru_cache(REMEMBERED)
def _upper_bound(samples: int, lost: int, won: int, confidence: float) -> float:
    bound = exact_upper_bound if samples < FEWEST_FOR_SCORE else score_upper_bound
    return bound(samples, lost, won, confidence)
