"""Paths, torch's data sets and its loaders as data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset, WeightedRandomSampler

from primesvt_core.data import DataSet
from primesvt_core.errors import DataError
from primesvt_core.library.sources import maybe_opened, opened

IMAGES, LABELS = torch.rand(30, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(30) % 3
PAIRS = TensorDataset(IMAGES, LABELS)


class Named(Dataset[tuple[Tensor, int]]):
    classes = ["cat", "dog", "eel"]  # noqa: RUF012  # as torchvision's have it

    def __len__(self) -> int:
        return len(LABELS)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return IMAGES[index], int(LABELS[index])


def data(source: Any) -> DataSet:
    found = opened(source)
    assert isinstance(found, DataSet)
    return found


def test_a_path_is_a_path(tmp_path: Path) -> None:
    assert opened(str(tmp_path)) == opened(tmp_path) == tmp_path
    assert maybe_opened(None) is None


def test_a_data_set_a_loader_of_it_and_ours_are_the_same() -> None:
    plain = data(PAIRS)
    assert plain.labels.tolist() == LABELS.tolist()
    assert np.array_equal(plain.decode(7)[..., 0], IMAGES[7, 0])
    for other in (DataLoader(PAIRS, batch_size=7, shuffle=True, drop_last=True), DataLoader(PAIRS), plain):
        assert data(other).fingerprint() == plain.fingerprint()


def test_names_of_classes_are_the_data_sets() -> None:
    assert data(Named()).classes == ("cat", "dog", "eel")
    assert data(PAIRS).classes == ("0", "1", "2")


def test_images_alone_have_no_labels() -> None:
    alone = [*IMAGES]
    found = data(alone)
    assert not found.is_labelled
    assert len(found) == 30


def test_a_loader_that_chooses_or_changes_samples_is_refused() -> None:
    weighted = WeightedRandomSampler([1.0] * 30, 30)
    twice = torch.utils.data.RandomSampler(PAIRS, replacement=True)
    part = torch.utils.data.RandomSampler(PAIRS, num_samples=10)
    for sampler in (weighted, twice, part):
        with pytest.raises(DataError, match="chooses samples"):
            opened(DataLoader(PAIRS, sampler=sampler))
    with pytest.raises(DataError, match="collate_fn of its own"):
        opened(DataLoader(PAIRS, collate_fn=lambda batch: batch))
    assert len(data(DataLoader(Subset(PAIRS, range(25))))) == 25


def test_what_gives_no_samples_by_index_is_refused() -> None:
    class Stream(IterableDataset[Tensor]):
        def __iter__(self) -> Iterator[Tensor]:
            return iter(IMAGES)

    with pytest.raises(DataError, match="no samples by index"):
        opened(Stream())
