"""Which values are black and white: what is clear, what is asked for, what is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from primesvt_core.data import DataSet, Preprocessing, ValueRange, in_range, open_data, unclear
from primesvt_core.data.formats.arrays import array_set
from primesvt_core.errors import DataError
from tests.support.data_files import IMAGES, LABELS, samples

UNIT = IMAGES / np.float32(255)
"""The pictures as models take them."""


def scaled(
    images: NDArray[np.generic], given: ValueRange | None = None, *, has_statistics: bool = False
) -> NDArray[np.float32]:
    data = in_range(array_set("set", images, LABELS, "images"), given, has_statistics=has_statistics)
    return np.stack([Preprocessing().apply(data.decode(index)) for index in range(len(data))]).transpose(0, 2, 3, 1)


def notes(images: NDArray[np.generic], given: ValueRange | None = None) -> tuple[str, ...]:
    return in_range(array_set("set", images, LABELS, "images"), given).notes


CLEAR: dict[str, NDArray[np.generic]] = {
    "bytes": IMAGES,
    "wide integers": IMAGES.astype(np.int64),
    "big-endian integers": IMAGES.astype(">u2"),
    "floats": UNIT,
    "doubles": IMAGES / 255,
    "floats with rounding": UNIT * np.float32(1 + 1e-6),
}


@pytest.mark.parametrize("kind", CLEAR)
def test_bytes_and_floats_from_0_to_1_are_clear(kind: str) -> None:
    np.testing.assert_allclose(scaled(CLEAR[kind]), UNIT, atol=2e-6)
    assert notes(CLEAR[kind]) == ()


ASKED: dict[str, tuple[NDArray[np.generic], ValueRange, str]] = {
    "floats of bytes": (IMAGES.astype(np.float32), (0, 255), "floats from 0 to 255"),
    "-1 to 1": (2 * UNIT - 1, (-1, 1), "floats from -1 to 1"),
    "centred": (UNIT - np.float32(0.5), (-0.5, 0.5), "floats from -0.5 to 0.5"),
    "half floats of percent": ((100 * UNIT).astype(np.float32), (0, 100), "floats from 0 to 100"),
    "16 bits": (IMAGES.astype(np.uint16) * 257, (0, 65535), "integers from 0 to 65535"),
    "12 bits": (IMAGES.astype(np.int32) * 16, (0, 4080), "integers from 0 to 4080"),
    "signed bytes": ((IMAGES.astype(int) - 128).astype(np.int8), (-128, 127), "integers from -128 to 127"),
}


@pytest.mark.parametrize("kind", ASKED)
def test_what_is_not_clear_is_asked_for_and_mapped_as_told(kind: str) -> None:
    images, given, told = ASKED[kind]
    with pytest.raises(DataError, match=f"set has {told}; .*--value-range LOW:HIGH") as refusal:
        scaled(images)
    assert refusal.value.error_code == "data_format"
    np.testing.assert_allclose(scaled(images, given), UNIT, atol=1e-6)
    assert notes(images, given) == ()


def test_floats_are_as_they_are_where_their_statistics_are_given() -> None:
    normalised = (UNIT - np.float32(0.45)) / np.float32(0.22)
    np.testing.assert_array_equal(scaled(normalised, has_statistics=True), normalised)
    with pytest.raises(DataError, match="integers from 0 to 65535"):  # which would still have to be scaled
        scaled(IMAGES.astype(np.uint16) * 257, has_statistics=True)


@pytest.mark.parametrize(
    ("images", "given"), [(IMAGES, (0, 1)), (IMAGES, (-1, 1)), (UNIT, (0.1, 1)), (IMAGES.astype(np.uint16), (1, 255))]
)
def test_values_beyond_the_range_that_was_given_are_refused(images: NDArray[np.generic], given: ValueRange) -> None:
    with pytest.raises(DataError, match="beyond the value range"):
        scaled(images, given)


@pytest.mark.parametrize(
    ("images", "told"),
    [
        (IMAGES // 128, "uses a small part of the value range 0:255: its values go from 0 to 1."),
        (IMAGES.astype(int) // 16, "its values go from 0 to 15."),
        (UNIT / np.float32(255), "uses a small part of the value range 0:1: its values go from 0 to 0.00392157."),
        (np.zeros_like(IMAGES), "its values go from 0 to 0."),
    ],
)
def test_a_set_that_uses_a_small_part_of_its_range_is_told(images: NDArray[np.generic], told: str) -> None:
    [note] = notes(images)
    assert told in note


def test_a_small_part_of_bytes_is_all_of_a_range_that_says_so() -> None:
    np.testing.assert_array_equal(scaled(IMAGES // 128, (0, 1)), IMAGES // 128)
    assert notes(IMAGES // 128, (0, 1)) == ()
    [note] = notes(IMAGES.astype(np.uint16), (0, 65535))
    assert "0:65535" in note


def test_truth_values_are_black_and_white() -> None:
    np.testing.assert_array_equal(scaled(IMAGES > 127), IMAGES > 127)
    assert notes(IMAGES > 255) == ()


def test_a_range_is_a_part_of_what_a_set_is() -> None:
    data = array_set("set", IMAGES.astype(np.float32), LABELS, "images")
    given = {in_range(data, bounds).fingerprint() for bounds in ((0, 255), (0, 256))}
    assert len({data.fingerprint(), *given}) == 3
    plain = array_set("set", IMAGES, LABELS, "images")
    assert in_range(plain, (0, 255)).fingerprint() == plain.fingerprint()


def test_counts_of_events_are_taken_as_they_are_unless_told_otherwise() -> None:
    frames = np.random.default_rng(2).integers(0, 9, (6, 4, 2, 8, 8)).astype(np.float32)
    data = array_set("set", frames, LABELS, "frames")
    assert in_range(data, None) is data
    shares = samples(in_range(data, (0, 8))).astype(np.float64)
    np.testing.assert_allclose(shares, frames.astype(np.float64) / 8, rtol=1e-6)


def test_what_an_upload_is_told_before_anybody_says_what_its_values_mean() -> None:
    def told(images: NDArray[np.generic]) -> tuple[str, ...]:
        return unclear(array_set("set", images, LABELS, "images", notes=["other"]))

    assert told(IMAGES) == ()
    [asked] = told(2 * UNIT - 1)
    assert "floats from -1 to 1" in asked
    [small] = told(IMAGES // 128)
    assert "small part" in small


def pictures(folder: Path, images: NDArray[np.uint8]) -> DataSet:
    for number, image in enumerate(images):
        (folder / "set" / "abc"[number % 3]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / "set" / "abc"[number % 3] / f"{number}.png")
    return open_data(folder / "set")


@pytest.mark.parametrize(
    ("low", "high", "is_noted"), [(0, 1, True), (10, 200, True), (0, 191, True), (0, 192, False), (0, 255, False)]
)
def test_pictures_that_use_a_small_part_of_their_range_are_noted(
    low: int, high: int, is_noted: bool, tmp_path: Path
) -> None:
    images = np.full((6, 4, 4), low, np.uint8)
    images[-1, 0, 0] = high
    opened = pictures(tmp_path, images)
    told = [f"their values go from {low} to {high}" in note for note in in_range(opened, None).notes]
    assert told == [True] * is_noted
    assert unclear(opened) == in_range(opened, None).notes


def test_pictures_that_cannot_be_decoded_are_left_to_who_needs_them(tmp_path: Path) -> None:
    opened = pictures(tmp_path, np.zeros((3, 4, 4), np.uint8))
    for file in (tmp_path / "set").rglob("*.png"):
        file.write_bytes(b"no picture")
    assert in_range(opened, None).notes == ()
