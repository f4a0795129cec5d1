"""Dividing a data set: what repairs see, what the search sees, and what neither ever sees."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from primesvt_core.data._base import DataSet, refuse
from primesvt_core.prerequisites import are_numbers, check_class_names, check_samples
from primesvt_core.spec import SplitSizes


@dataclass(frozen=True, kw_only=True)
class Splits:
    """Disjoint, ascending indices; samples beyond the bounds of the spec are in none."""

    calibration: tuple[int, ...]
    search: tuple[int, ...]
    confirmation: tuple[int, ...]

    def rest(self, samples: int) -> tuple[int, ...]:
        """Indices of the data set's ``samples`` that are in none of the splits."""
        taken = {*self.calibration, *self.search, *self.confirmation}
        return tuple(index for index in range(samples) if index not in taken)


def split(labels: NDArray[Any], sizes: SplitSizes, seed: int) -> Splits:
    """Divide samples, the same way for the same labels and seed, every class in proportion.

    Raises:
        DataError: if there are too few.
    """
    check_samples(len(labels))
    counts = sizes.counts(len(labels))
    first = min(counts[0], sizes.calibration_first or counts[0])
    parts = np.split(in_proportion(labels, seed), np.cumsum([first, *counts[1:], counts[0] - first]))
    calibration, search, confirmation = (
        tuple(sorted(part.tolist())) for part in (np.concatenate((parts[0], parts[3])), *parts[1:3])
    )
    return Splits(calibration=calibration, search=search, confirmation=confirmation)


def in_proportion(labels: NDArray[Any], seed: int) -> NDArray[np.int64]:
    """An order in which any run of samples holds every class in proportion, to within one.

    Each class's samples, shuffled, are spread evenly over [0, 1) with an offset of its own; the order is theirs.
    """
    generator = np.random.default_rng(seed)
    keys = np.empty(len(labels))
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        keys[members] = (np.arange(len(members)) + generator.random()) / len(members)
    return np.argsort(keys, kind="stable")


def numbering(data: DataSet, num_classes: int) -> tuple[str, ...]:
    """A note where the data set has fewer classes than the model; one without labels has none."""
    count = len(data.classes)
    if count >= num_classes or not data.is_labelled:
        return ()
    if are_numbers(data.classes):
        return (
            f"The labels of {data.name} go up to {count - 1}, but the model has {num_classes} classes: they were taken"
            " as the model's own numbers.",
        )
    return (
        f"{data.name} has {count} classes, but the model has {num_classes}: their numbers were taken for those of the"
        f" model's first {count}.",
    )


def check_classes(data: DataSet, num_classes: int, *, allow_fewer: bool = False) -> None:
    """Refuse classes whose numbers are not those of the model's outputs.

    Of a data set whose classes are called by their numbers, the highest label tells no number of classes. One without
    labels fits every model.

    Args:
        data: the data set.
        num_classes: outputs of the model.
        allow_fewer: whether the model may have further classes behind those of the data set.

    Raises:
        DataError: naming the classes that do not fit.
    """
    if not data.is_labelled:
        return
    beyond = sorted({int(label) for label in data.labels if label >= num_classes})
    check_class_names(
        data.name, data.classes, num_classes, allow_fewer=allow_fewer, beyond=beyond, lowest=int(data.labels.min())
    )


def check_same_classes(training: DataSet, evaluation: DataSet) -> None:
    """Refuse training data whose classes are numbered otherwise; sets that do not name their classes fit all, as do
    those without labels.

    Raises:
        DataError: naming the first class that differs.
    """
    if not (training.is_labelled and evaluation.is_labelled):
        return
    pairs = [*zip_longest(training.classes, evaluation.classes)]
    numbered = any(are_numbers(data.classes) for data in (training, evaluation))
    different = next((number for number, (ours, theirs) in enumerate(pairs) if ours != theirs), None)
    if different is not None and not numbered:
        ours, theirs = (name or "missing" for name in pairs[different])
        raise refuse(
            "data_classes",
            f"class {different} is {ours} in the training data {training.name}, but {theirs} in {evaluation.name}:"
            " both need the same classes, or the model would learn wrong labels",
        )
