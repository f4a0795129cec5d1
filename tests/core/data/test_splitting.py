"""Splits: the same for everyone, every class in proportion, no image in two of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from primesvt_core.data import check_same_classes, open_data, split
from primesvt_core.errors import DataError
from primesvt_core.prerequisites import SMALLEST
from primesvt_core.spec import SplitSizes
from tests.support import tiny

UNBOUNDED = SplitSizes(calibration_images=10**6, search_images=10**6, confirmation_images=10**6)


@given(
    labels=st.lists(st.integers(0, 9), min_size=SMALLEST, max_size=300),
    bounds=st.tuples(*[st.integers(1, 200)] * 3),
    seed=st.integers(0, 2**32 - 1),
)
def test_no_image_is_in_two_splits_and_bounds_hold(labels: list[int], bounds: tuple[int, int, int], seed: int) -> None:
    sizes = SplitSizes(calibration_images=bounds[0], search_images=bounds[1], confirmation_images=bounds[2])
    found = split(np.array(labels), sizes, seed)
    parts = (found.calibration, found.search, found.confirmation)
    assert all(0 < len(part) <= bound for part, bound in zip(parts, bounds, strict=True))
    assert all([*part] == sorted(set(part)) for part in parts)
    everything = [*found.calibration, *found.search, *found.confirmation, *found.rest(len(labels))]
    assert sorted(everything) == [*range(len(labels))]
    assert split(np.array(labels), sizes, seed) == found


def test_another_seed_gives_other_splits() -> None:
    labels = np.arange(200) % 10
    assert split(labels, SplitSizes(), 0) != split(labels, SplitSizes(), 1)


@given(
    labels=st.lists(st.integers(0, 9), min_size=SMALLEST, max_size=300),
    first=st.integers(1, 30),
    more=st.integers(0, 100),
    others=st.tuples(*[st.integers(1, 200)] * 2),
)
def test_further_calibration_images_change_no_other_split(
    labels: list[int], first: int, more: int, others: tuple[int, int]
) -> None:
    bounds = {"search_images": others[0], "confirmation_images": others[1]}
    fewer = split(np.array(labels), SplitSizes(calibration_images=first, **bounds), 0)
    found = split(np.array(labels), SplitSizes(calibration_images=first + more, calibration_first=first, **bounds), 0)
    assert (found.search, found.confirmation) == (fewer.search, fewer.confirmation)
    assert {*fewer.calibration} <= {*found.calibration}
    assert len(found.calibration) == max(1, min(first + more, int(0.10 * len(labels))))
    everything = [*found.calibration, *found.search, *found.confirmation, *found.rest(len(labels))]
    assert sorted(everything) == [*range(len(labels))]


def test_without_bounds_everything_is_used_in_the_proportions() -> None:
    found = split(np.arange(1000) % 10, UNBOUNDED, 0)
    assert (len(found.calibration), len(found.search), len(found.confirmation)) == (100, 350, 550)
    assert found.rest(1000) == ()


@pytest.mark.parametrize("seed", range(5))
def test_every_class_is_in_every_split_in_proportion(seed: int) -> None:
    labels = np.repeat([0, 1, 2, 3], [400, 200, 100, 100])
    found = split(labels, UNBOUNDED, seed)
    for part in (found.calibration, found.search, found.confirmation):
        counts = np.bincount(labels[list(part)], minlength=4)
        wanted = len(part) * np.array([400, 200, 100, 100]) / 800
        assert np.abs(counts - wanted).max() <= 2


def test_too_few_images_are_refused() -> None:
    with pytest.raises(DataError, match=f"at least {SMALLEST}") as refusal:
        split(np.zeros(SMALLEST - 1, np.int64), SplitSizes(), 0)
    assert refusal.value.error_code == "data_too_small"
    split(np.zeros(SMALLEST, np.int64), SplitSizes(), 0)


def folder(path: Path, *classes: str) -> Path:
    for name in classes:
        (path / name).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(path / name / "image.png")
    return path


def test_training_classes_are_those_of_the_evaluation(tmp_path: Path) -> None:
    evaluation = open_data(folder(tmp_path / "val", "bird", "cat", "dog"))
    check_same_classes(open_data(folder(tmp_path / "train", "bird", "cat", "dog")), evaluation)
    for name, classes, expected in (
        ("other", ("ant", "bird", "cat", "dog"), "class 0 is ant .* but bird"),
        ("fewer", ("bird", "cat"), "class 2 is missing .* but dog"),
    ):
        with pytest.raises(DataError, match=expected) as refusal:
            check_same_classes(open_data(folder(tmp_path / name, *classes)), evaluation)
        assert refusal.value.error_code == "data_classes"
    check_same_classes(open_data(tiny.data_file(tmp_path)), evaluation)  # numbers only: nothing to compare
