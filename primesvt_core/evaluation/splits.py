"""A data set as a model sees it: preprocessed, in batches, by split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from primesvt_core.data import (
    Batch,
    DataSet,
    Part,
    Preprocessing,
    Splits,
    ValueRange,
    batches,
    check_classes,
    in_range,
    load_batch,
    open_data,
    order_for,
    split,
    with_labels_first,
)
from primesvt_core.engines.metric import Metric
from primesvt_core.errors import DataError
from primesvt_core.intake.inspect import Inspection
from primesvt_core.spec import ClassReading, PixelReading, PreprocessingOverrides, SplitSizes

BY_FAMILY = ClassReading()
"""Classes numbered as the family's public code does, and as many as the model has."""

AHEAD = 2
"""Blocks that are decoded ahead of the one in use."""

SplitName = Literal["auto", "all", "calibration", "search", "confirmation", "rest"]


@dataclass(frozen=True, kw_only=True)
class SplitImages:
    """A data set as a model sees it: preprocessed, in batches, by split.

    Attributes:
        data: the data set.
        preprocessing: of its samples.
        sizes: of the splits, in images.
        seed: of the splits.
        batch_size: images at a time.
        answers: ``(N,)`` int64, what stands in place of the labels of blocks: what a model takes the samples for; None
            where their own labels count.
        metric: what counts as right; None where the highest logit does.
    """

    data: DataSet
    preprocessing: Preprocessing
    sizes: SplitSizes
    seed: int
    batch_size: int
    answers: NDArray[np.int64] | None = None
    metric: Metric | None = None

    @cached_property
    def splits(self) -> Splits:
        """The same for the same data set, sizes and seed.

        Raises:
            DataError: if there are too few images.
        """
        return split(self.data.labels, self.sizes, self.seed)

    def blocks(self, indices: Sequence[int]) -> Blocks:
        """The samples at ``indices``, in that order, for an engine."""
        return Blocks(self, indices)

    def batches(self, indices: Sequence[int]) -> Iterator[Batch]:
        """Images and labels at ``indices``, in that order."""
        return batches(self.data, indices, self.preprocessing, self.batch_size)


class Blocks:
    """Samples in blocks of a fixed order, each decoded when it is asked for, and the next ones meanwhile."""

    def __init__(self, images: SplitImages, indices: Sequence[int]) -> None:
        self.images, self.indices = images, indices
        self._pool = ThreadPoolExecutor(AHEAD)
        self._ahead: dict[int, Future[Batch]] = {}

    @property
    def metric(self) -> Metric | None:
        """What counts as right; None where the highest logit does."""
        return self.images.metric

    def __len__(self) -> int:
        return -(-len(self.indices) // self.images.batch_size)

    def block(self, index: int) -> tuple[Tensor, Tensor]:
        """Images ``(B, C, H, W)`` or frames ``(B, T, C, H, W)`` float32, and labels ``(B,)`` int64.

        Raises:
            DataError: naming the file that cannot be decoded.
        """
        near = range(index, min(index + 1 + AHEAD, len(self)))
        self._ahead = {i: self._ahead.get(i) or self._pool.submit(self._load, i) for i in near}
        batch = self._ahead.pop(index).result()
        return torch.from_numpy(batch.images), torch.from_numpy(batch.labels)

    def _load(self, index: int) -> Batch:
        size = self.images.batch_size
        chosen = self.indices[index * size : (index + 1) * size]
        batch = load_batch(self.images.data, chosen, self.images.preprocessing)
        answers = self.images.answers
        return batch if answers is None else replace(batch, labels=answers[[*chosen]])


def open_for(
    inspection: Inspection,
    source: Path | DataSet,
    classes: ClassReading,
    part: Part | None = None,
    *,
    pixels: PixelReading,
    may_lack_labels: bool = False,
) -> DataSet:
    """Open a data set, its classes numbered as the model's are, its pixels on the scale that models take.

    Args:
        inspection: of the model.
        source: of the data set: where it is, or itself.
        classes: what the caller says of their numbers; the family's rule counts where that is nothing.
        part: training or test data, where it has both; test data by default.
        pixels: what the caller says of their values.
        may_lack_labels: whether it may have no labels.

    Raises:
        DataError: naming the file or the classes that do not fit.
    """
    rule = inspection.family.class_rule(inspection.config)
    order = order_for(classes.class_order, rule)
    opened = open_data(source, part, order, may_lack_labels=may_lack_labels)
    has_statistics = _has_statistics(inspection, opened, pixels.preprocessing)
    value_range = pixels.value_range or _kept_range(inspection, opened)
    data = in_range(opened, value_range, has_statistics=has_statistics)
    check_classes(data, inspection.config.num_classes, allow_fewer=classes.allow_fewer_classes)
    return data


def open_splits(
    inspection: Inspection,
    source: Path | DataSet,
    overrides: PreprocessingOverrides,
    sizes: SplitSizes,
    *,
    seed: int,
    batch_size: int,
    classes: ClassReading = BY_FAMILY,
    value_range: ValueRange | None = None,
    may_lack_labels: bool = False,
) -> SplitImages:
    """Open a data set, check that it fits the model, and define its splits.

    Args:
        inspection: of the model.
        source: of the data set: where it is, or itself.
        overrides: of the model's own preprocessing.
        sizes: of the splits, in images.
        seed: of the splits.
        batch_size: images at a time.
        classes: which class has which number.
        value_range: the values of black and white in a data set that is an array, where it cannot be told.
        may_lack_labels: whether it may have no labels.

    Raises:
        DataError: naming the file or the classes that do not fit.
    """
    pixels = PixelReading(preprocessing=overrides, value_range=value_range)
    data = open_for(inspection, source, classes, pixels=pixels, may_lack_labels=may_lack_labels)
    _check_value_range(data, value_range)
    preprocessing = inspection.preprocessing.overridden(overrides)
    images = SplitImages(data=data, preprocessing=preprocessing, sizes=sizes, seed=seed, batch_size=batch_size)
    shape = _check_channels(inspection, images)
    if data.kind == "frames":
        _check_frames(images)
        notes = _frame_notes(inspection, data, shape)
    else:
        notes = _size_notes(data, shape, overrides)
    return replace(images, data=replace(data, notes=(*data.notes, *notes)))


def open_as_they_are(
    inspection: Inspection,
    source: Path | DataSet,
    overrides: PreprocessingOverrides,
    sizes: SplitSizes,
    *,
    seed: int,
    batch_size: int,
    classes: ClassReading = BY_FAMILY,
    value_range: ValueRange | None = None,
) -> SplitImages:
    """`open_splits` of whatever there is: with labels where it has them, without where it has none."""

    def opened(may_lack_labels: bool) -> SplitImages:
        return open_splits(
            inspection, source, overrides, sizes, seed=seed, batch_size=batch_size, classes=classes,
            value_range=value_range, may_lack_labels=may_lack_labels,
        )  # fmt: skip

    return with_labels_first(opened, lambda images: images.data.is_labelled)


def _has_statistics(inspection: Inspection, data: DataSet, overrides: PreprocessingOverrides) -> bool:
    """Whether mean and deviation are the user's: given now, or when a model was pruned on this data set."""
    own = inspection.provenance
    kept = own is not None and own.preprocessing.has_statistics and own.data_fingerprint == data.fingerprint()
    return kept or overrides.has_statistics


def _kept_range(inspection: Inspection, data: DataSet) -> ValueRange | None:
    """The range that was given when a model was pruned, if it was on this data set."""
    own = inspection.provenance
    if own is None or own.value_range is None:
        return None
    with suppress(DataError):  # of values beyond it, which are another data set's
        if in_range(data, own.value_range).fingerprint() == own.data_fingerprint:
            return own.value_range
    return None


def _check_value_range(data: DataSet, value_range: ValueRange | None) -> None:
    """Refuse a range that nothing would be scaled by."""
    if value_range is not None and data.values is None:
        raise DataError(
            f"{data.name} holds {'frames' if data.kind == 'frames' else 'pictures'}, whose files state what black and"
            " white are: a value range is of arrays alone; leave it out",
            code="data_format",
        )


def _check_frames(images: SplitImages) -> None:
    """Refuse a mean and deviation for counts of events, to which nothing would apply them."""
    if images.preprocessing.mean is not None or images.preprocessing.std is not None:
        raise DataError(
            f"{images.data.name} holds frames, whose counts of events are not normalised, but a mean and a deviation"
            " are given, or are the model's own for pictures: leave them out, or give pictures",
            code="data_format",
        )


def _size_notes(data: DataSet, shape: tuple[int, ...], overrides: PreprocessingOverrides) -> Iterator[str]:
    """A note where pictures are smaller than what they are enlarged to, and nobody has asked for that."""
    height, width, _ = data.decode(0).shape
    if overrides.resize is None and overrides.crop is None and max(height, width) < min(shape[-2:]):
        yield (
            f"The pictures of {data.name} are {height} x {width} and were enlarged to {shape[-2]} x {shape[-1]}, the"
            " model's size. If it was trained on pictures of their size, say so (--assume image_size); inspect --data"
            " tries it."
        )


def _frame_notes(inspection: Inspection, data: DataSet, shape: tuple[int, ...]) -> Iterator[str]:
    """What happens to frames that are not as the model was made for."""
    steps, _, *size = data.decode(0).shape
    wanted = inspection.config.time_steps
    if size != [*shape[-2:]]:
        before, after = (f"{height} x {width}" for height, width in (size, shape[-2:]))
        yield (
            f"The frames of {data.name} are {before} and were brought to {after}, which changes counts of events. If"
            " the model was trained on frames of their size, say so (--assume image_size, or resize and crop)."
        )
    if steps != wanted:
        yield (
            f"The frames of {data.name} have {steps} time steps and the model has {wanted}: it was run for {steps}."
            " Its accuracy is best with as many as it was trained with."
        )


def _check_channels(inspection: Inspection, images: SplitImages) -> tuple[int, ...]:
    """Try one image, so that a misfit is an error about the data rather than one from the depths of a convolution.

    Returns:
        The shape of a batch of one.
    """
    shape = next(images.batches([0])).images.shape
    wanted = inspection.config.in_channels
    if shape[-3] != wanted:
        raise DataError(
            f"{images.data.name} has {shape[-3]} channels an image, but the model takes {wanted};"
            " use the data set that the model was trained for",
            code="data_channels",
        )
    return shape
