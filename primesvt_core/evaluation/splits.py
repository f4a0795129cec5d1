"""A data set as a model sees it: preprocessed, in batches, by split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from primesvt_core.data import (
    Batch,
    DataSet,
    Part,
    Preprocessing,
    Splits,
    batches,
    check_classes,
    load_batch,
    open_data,
    order_for,
    split,
)
from primesvt_core.errors import DataError
from primesvt_core.intake.inspect import Inspection
from primesvt_core.spec import ClassReading, PreprocessingOverrides, SplitSizes

BY_FAMILY = ClassReading()
"""Classes numbered as the family's public code does, and as many as the model has."""

AHEAD = 2
"""Blocks that are decoded ahead of the one in use."""

SplitName = Literal["auto", "all", "calibration", "search", "confirmation", "rest"]


@dataclass(frozen=True, kw_only=True)
class SplitImages:
    """A data set as a model sees it: preprocessed, in batches, by split."""

    data: DataSet
    preprocessing: Preprocessing
    sizes: SplitSizes
    seed: int
    batch_size: int

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
        return load_batch(self.images.data, chosen, self.images.preprocessing)


def open_for(inspection: Inspection, path: Path, classes: ClassReading, part: Part | None = None) -> DataSet:
    """Open a data set, its classes numbered as the model's are.

    Args:
        inspection: of the model.
        path: of the data set.
        classes: what the caller says of their numbers; the family's rule counts where that is nothing.
        part: training or test data, where it has both; test data by default.

    Raises:
        DataError: naming the file or the classes that do not fit.
    """
    rule = inspection.family.class_rule(inspection.config)
    data = open_data(path, part, order_for(classes.class_order, rule))
    check_classes(data, inspection.config.num_classes, allow_fewer=classes.allow_fewer_classes)
    return data


def open_splits(
    inspection: Inspection,
    path: Path,
    overrides: PreprocessingOverrides,
    sizes: SplitSizes,
    *,
    seed: int,
    batch_size: int,
    classes: ClassReading = BY_FAMILY,
) -> SplitImages:
    """Open a data set, check that it fits the model, and define its splits.

    Args:
        inspection: of the model.
        path: of the data set.
        overrides: of the model's own preprocessing.
        sizes: of the splits, in images.
        seed: of the splits.
        batch_size: images at a time.
        classes: which class has which number.

    Raises:
        DataError: naming the file or the classes that do not fit.
    """
    data = open_for(inspection, path, classes)
    preprocessing = inspection.preprocessing.overridden(overrides)
    images = SplitImages(data=data, preprocessing=preprocessing, sizes=sizes, seed=seed, batch_size=batch_size)
    _check_channels(inspection, images)
    return images


def _check_channels(inspection: Inspection, images: SplitImages) -> None:
    """Try one image, so that a misfit is an error about the data rather than one from the depths of a convolution."""
    shape = next(images.batches([0])).images.shape
    wanted = inspection.config.in_channels
    if shape[-3] != wanted:
        raise DataError(
            f"{images.data.name} has {shape[-3]} channels an image, but the model takes {wanted};"
            " use the data set that the model was trained for",
            code="data_channels",
        )
