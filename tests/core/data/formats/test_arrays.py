"""Sets that are arrays: where their channels are, what their labels may be, what does not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from primesvt_core.data import check_classes, from_dataset, open_data
from primesvt_core.data.formats.arrays import array_set, label_numbers
from primesvt_core.errors import DataError
from tests.support.data_files import IMAGES, LABELS, npz, refused, samples

FRAMES = np.random.default_rng(1).integers(0, 3, (6, 4, 2, 8, 10), np.uint8)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_pixels_that_are_no_numbers_are_refused(value: float, tmp_path: Path) -> None:
    images = IMAGES.astype(np.float32)
    images[-1, 0, 0, 0] = value
    np.savez(tmp_path / "set.npz", images=images, labels=LABELS)
    refused(tmp_path / "set.npz", "data_undecodable", "NaN or infinity")


def test_four_channels_at_the_end_are_channels(tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", images=np.concatenate([IMAGES, IMAGES[..., :1]], -1), labels=LABELS)
    assert open_data(tmp_path / "set.npz").decode(0).shape == (8, 10, 4)


def test_frames_may_have_their_channels_last(tmp_path: Path) -> None:
    data = open_data(npz(FRAMES.transpose(0, 1, 3, 4, 2))(tmp_path))
    assert data.kind == "frames"
    np.testing.assert_array_equal(samples(data), FRAMES)


@pytest.mark.parametrize(
    "labels",
    [
        LABELS[:, None],
        LABELS.astype(np.float32),
        LABELS[:, None].astype(np.uint8),
        np.eye(3)[LABELS],
        np.eye(3, dtype=np.uint8)[LABELS],
        np.eye(3, dtype=bool)[LABELS],
        LABELS.astype(">i2"),
    ],
)
def test_labels_of_every_form_name_the_same_classes(labels: NDArray[np.generic]) -> None:
    numbers, count = label_numbers("set", labels)
    np.testing.assert_array_equal(numbers, LABELS)
    assert (numbers.dtype, count) == (np.dtype(np.int64), 3)


def test_one_hot_labels_tell_of_classes_that_no_image_has() -> None:
    assert array_set("set", IMAGES, np.eye(5)[LABELS], "images").classes == ("0", "1", "2", "3", "4")


@pytest.mark.parametrize(
    "labels",
    [
        np.eye(3)[LABELS] * 0.9 + 0.1 / 3,  # softened
        np.ones((6, 2)),  # several classes at once
        LABELS + 0.5,
        np.full(6, np.nan),
        np.array(["cat"] * 6),
        np.zeros((6, 1, 1)),
    ],
)
def test_labels_that_name_no_single_class_are_refused(labels: NDArray[np.generic]) -> None:
    with pytest.raises(DataError, match=r"labels in set are .* should be integers \(N,\)"):
        label_numbers("set", labels)


@pytest.mark.parametrize(
    ("arrays", "code", "named"),
    [
        ({"images": IMAGES}, "data_format", "labels"),
        ({"images": IMAGES, "labels": LABELS[:3]}, "data_format", "3 labels"),
        ({"images": IMAGES, "labels": LABELS - 1}, "data_classes", "negative"),
        ({"images": IMAGES, "labels": LABELS + 10**12}, "data_classes", "1000000000002"),
        ({"images": IMAGES, "labels": LABELS.astype(np.uint64) + np.uint64(2**63)}, "data_classes", "no class"),
        ({"images": IMAGES[:, :0], "labels": LABELS}, "data_format", "[6, 0, 10, 3]"),
        ({"images": IMAGES.astype(complex), "labels": LABELS}, "data_format", "complex"),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, "data_empty", "no images"),
        ({"images": IMAGES[0, 0], "labels": LABELS}, "data_format", "dimensions"),
        ({"images": np.array([{}] * 6), "labels": LABELS}, "data_unsafe", "images"),
        ({"images": FRAMES.transpose(1, 0, 2, 3, 4), "labels": LABELS}, "data_format", "samples should come first"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    arrays: dict[str, NDArray[np.generic]], code: str, named: str, tmp_path: Path
) -> None:
    np.savez(tmp_path / "set.npz", **arrays)  # type: ignore[arg-type]
    refused(tmp_path / "set.npz", code, named)


@pytest.mark.parametrize(("first", "is_noted"), [(0, False), (1, True), (5, True)])
def test_labels_that_do_not_begin_with_0_are_noted(first: int, is_noted: bool) -> None:
    data = array_set("set", IMAGES, LABELS + first, "images")
    told = [f"go from {first} to {first + 2}" in note and f"subtract {first}" in note for note in data.notes]
    assert told == [True] * is_noted
    samples = [(image, int(label)) for image, label in zip(IMAGES, LABELS + first, strict=True)]
    assert from_dataset(samples, name="set").notes == data.notes
    with pytest.raises(DataError, match="too many: ") as refusal:
        check_classes(data, 2)
    assert ("subtract" in refusal.value.message) is is_noted
    assert array_set("set", IMAGES, LABELS + first, "images", "abcdefgh").notes == data.notes
