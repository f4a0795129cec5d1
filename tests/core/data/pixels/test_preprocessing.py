"""From decoded samples to what a model takes, against numbers worked out by hand and Pillow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from primesvt_core.data import Preprocessing, batches
from primesvt_core.data.formats.arrays import array_set
from primesvt_core.errors import DataError
from primesvt_core.spec import PreprocessingOverrides

PICTURE = np.random.default_rng(0).integers(0, 256, (9, 14, 3), np.uint8)


def test_bytes_are_scaled_and_channels_come_first() -> None:
    found = Preprocessing().apply(PICTURE)
    assert found.shape == (3, 9, 14)
    assert found.dtype == np.dtype("float32")
    np.testing.assert_allclose(found, PICTURE.transpose(2, 0, 1) / 255, atol=1e-7)


def test_floats_are_taken_as_they_are() -> None:
    floats = PICTURE.astype(np.float64) * 3
    np.testing.assert_allclose(Preprocessing().apply(floats), floats.transpose(2, 0, 1))


def test_normalisation_is_per_channel() -> None:
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.25, 2.0)
    found = Preprocessing(mean=mean, std=std).apply(PICTURE)
    wanted = (PICTURE / 255 - np.array(mean)) / np.array(std)
    np.testing.assert_allclose(found, wanted.transpose(2, 0, 1), atol=1e-6)


def test_a_grey_image_becomes_a_colour_image_where_the_model_has_colours() -> None:
    grey = PICTURE[:, :, :1]
    recipe = Preprocessing(mean=(0.1, 0.2, 0.3), std=(1.0, 1.0, 1.0))
    np.testing.assert_array_equal(recipe.apply(grey), recipe.apply(np.repeat(grey, 3, axis=2)))


@pytest.mark.parametrize(
    "statistics", [{"mean": (0.5, 0.5)}, {"std": (1.0,) * 4}, {"mean": ()}, {"mean": (0.1, 0.2), "std": (1.0,) * 3}]
)
def test_statistics_of_other_channels_are_refused(statistics: dict[str, tuple[float, ...]]) -> None:
    for picture in (PICTURE, PICTURE[:, :, :1]) if len(statistics) > 1 else (PICTURE,):
        with pytest.raises(DataError, match="channels") as refusal:
            Preprocessing(mean=statistics.get("mean"), std=statistics.get("std")).apply(picture)
        assert refusal.value.error_code == "data_channels"


@pytest.mark.parametrize(
    ("size", "resize", "resized"),
    [((9, 14), 6, (6, 9)), ((14, 9), 6, (9, 6)), ((427, 640), 256, (256, 383)), ((8, 8), 12, (12, 12))],
)
def test_the_shorter_side_is_fitted_and_the_longer_rounded_down(
    size: tuple[int, int], resize: int, resized: tuple[int, int]
) -> None:
    picture = np.zeros((*size, 3), np.uint8)
    assert Preprocessing(resize=resize).apply(picture).shape == (3, *resized)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
def test_resizing_is_pillows(interpolation: str) -> None:
    found = Preprocessing(resize=6, interpolation=interpolation).apply(PICTURE)
    wanted = Image.fromarray(PICTURE).resize((9, 6), Image.Resampling[interpolation.upper()])
    np.testing.assert_allclose(found, np.asarray(wanted).transpose(2, 0, 1) / 255, atol=1e-7)


def corner(found: NDArray[np.float32]) -> tuple[int, int]:
    """Row and column of the first pixel that is not empty."""
    rows, columns = np.nonzero(found[0])
    return int(rows.min()), int(columns.min())


@pytest.mark.parametrize(("width", "left"), [(4, 0), (5, 0), (6, 1), (7, 2), (9, 2), (11, 4)])
def test_the_crop_is_the_centre(width: int, left: int) -> None:
    """The corner is half of what is left over, rounded to the nearest even number at a half, as torchvision does."""
    marked = np.arange(width * 4).reshape(4, width, 1).astype(np.uint8)
    found = Preprocessing(crop=4).apply(marked)
    assert found.shape == (1, 4, 4)
    assert round(float(found[0, 0, 0]) * 255) == left


def test_what_is_too_small_to_crop_is_padded_around() -> None:
    found = Preprocessing(crop=8).apply(np.full((4, 5, 1), 255, np.uint8))
    assert found.shape == (1, 8, 8)
    assert found.sum() == 4 * 5
    assert corner(found) == (2, 1)


def test_every_time_step_of_frames_is_resized_and_counts_are_not_scaled() -> None:
    frames = np.random.default_rng(1).integers(0, 9, (4, 2, 12, 10), np.uint8)
    np.testing.assert_array_equal(Preprocessing(mean=(9.0,), std=(9.0,)).apply(frames), frames)
    assert Preprocessing(resize=5, crop=5).apply(frames).shape == (4, 2, 5, 5)
    constant = np.full((4, 2, 12, 10), 7, np.uint8)
    np.testing.assert_allclose(Preprocessing(resize=5, crop=5).apply(constant), 7)


def test_an_image_that_grows_without_bound_is_refused() -> None:
    with pytest.raises(DataError) as refusal:
        Preprocessing(resize=224).apply(np.zeros((1, 40_000, 3), np.uint8))
    assert refusal.value.error_code == "data_unsafe"


def test_overrides_replace_only_what_they_say() -> None:
    family = Preprocessing(resize=256, crop=224, interpolation="bicubic", mean=(0.5,), std=(0.5,))
    found = family.overridden(PreprocessingOverrides(crop=192, mean=(0.1,)))
    assert found == Preprocessing(resize=256, crop=192, interpolation="bicubic", mean=(0.1,), std=(0.5,))
    assert family.overridden(PreprocessingOverrides()) == family


def test_batches_come_in_the_order_asked_for() -> None:
    pictures = np.arange(23).reshape(23, 1, 1, 1).astype(np.uint8).repeat(4, axis=1).repeat(4, axis=2)
    data = array_set("x", pictures, np.arange(23), "images")
    order = np.random.default_rng(0).permutation(23)
    found = [*batches(data, order, Preprocessing(), 5)]
    assert [len(batch.labels) for batch in found] == [5, 5, 5, 5, 3]
    np.testing.assert_array_equal(np.concatenate([batch.labels for batch in found]), order)
    pixels = np.concatenate([batch.images[:, 0, 0, 0] for batch in found])
    np.testing.assert_allclose(pixels * 255, order, atol=1e-5)


def test_samples_of_different_sizes_are_refused() -> None:
    sizes = [(4, 4, 3), (5, 4, 3)]

    def decode(index: int) -> NDArray[Any]:
        return np.zeros(sizes[index], np.uint8)

    whole = array_set("mixed", np.zeros((2, 4, 4, 3), np.uint8), np.zeros(2, np.int64), "images")
    data = type(whole)(
        name="mixed", kind="images", classes=("0",), labels=whole.labels, decode=decode, digest=whole.digest
    )
    with pytest.raises(DataError, match="different sizes") as refusal:
        [*batches(data, [0, 1], Preprocessing(), 2)]
    assert refusal.value.error_code == "data_format"
    [whole_batch] = batches(data, [0, 1], Preprocessing(resize=4, crop=4), 2)
    assert whole_batch.images.shape == (2, 3, 4, 4)


def test_integers_that_are_no_bytes_are_not_taken_for_floats() -> None:
    with pytest.raises(DataError, match="pixels are uint16"):
        Preprocessing().apply(np.zeros((4, 4, 3), np.uint16))
