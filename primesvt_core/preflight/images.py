"""How many images each split gets, and what those that confirm can prove."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from primesvt_client.facts import DataSetFacts
from primesvt_client.rounding import rounded_up
from primesvt_core.preflight._base import Problem, problems_of
from primesvt_core.prerequisites import check_samples
from primesvt_core.promise.family import joint_confidence
from primesvt_core.promise.provable import check_provable, smallest_provable
from primesvt_core.spec import CompressionSpec

NAMES = ("calibration", "search", "confirmation")


@dataclass(frozen=True, kw_only=True)
class SplitCount:
    """Images of a split.

    Attributes:
        split: its name.
        images: that it gets; None if the size of the data set is not known.
        asked: that it may have at the most.
    """

    split: str
    images: int | None
    asked: int


@dataclass(frozen=True, kw_only=True)
class ImageCounts:
    """The images of a run.

    Attributes:
        samples: images of the data set.
        splits: what becomes of them.
        provable_drop: the smallest accuracy drop that the confirmation images can prove, or the smallest disagreement
            where the spec allows one.
        problems: that there are too few.
    """

    samples: int | None
    splits: tuple[SplitCount, ...]
    provable_drop: float | None = None
    problems: tuple[Problem, ...] = ()


def count_images(spec: CompressionSpec, data: DataSetFacts | None, candidates: int = 1) -> ImageCounts:
    """What a data set's images come to in the splits of a spec.

    Args:
        spec: of the run.
        data: what validation found; None as long as it has not.
        candidates: whose bounds have to hold together.
    """
    asked = (spec.splits.calibration_images, spec.splits.search_images, spec.splits.confirmation_images)
    samples = None if data is None else data.samples or None  # validation refuses a set without any: not counted
    if samples is None:
        return ImageCounts(samples=None, splits=_splits((None,) * len(NAMES), asked))
    if too_few := problems_of(partial(check_samples, samples)):
        return ImageCounts(samples=samples, splits=_splits((None,) * len(NAMES), asked), problems=too_few)
    counts = spec.splits.counts(samples)
    confirming = counts[-1]
    level = joint_confidence(spec.confidence, candidates)
    budget, by_disagreement = spec.budget, spec.budget.by_disagreement
    smallest = smallest_provable(confirming, level, by_disagreement=by_disagreement)
    check = partial(
        check_provable, budget.allowed_drop, confirming, level, accept_unproven=spec.accept_unproven,
        by_disagreement=by_disagreement,
    )  # fmt: skip
    field = "budget.max_disagreement" if by_disagreement else "budget.max_accuracy_drop"
    return ImageCounts(
        samples=samples,
        splits=_splits(counts, asked),
        provable_drop=smallest,
        problems=problems_of(check, field, rounded_up(smallest)),
    )


def _splits(counts: tuple[int | None, ...], asked: tuple[int, ...]) -> tuple[SplitCount, ...]:
    return tuple(
        SplitCount(split=name, images=images, asked=most)
        for name, images, most in zip(NAMES, counts, asked, strict=True)
    )
