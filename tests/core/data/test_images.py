"""Pictures as files: which are decoded, to which pixels."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from primesvt_core.data.images import decode_image
from primesvt_core.errors import DataError
from tests.support.data_files import folder, refused


def test_a_picture_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    root = folder(tmp_path)
    (root / "cat" / "0.png").write_bytes((root / "cat" / "0.png").read_bytes()[:40])
    refused(root, "data_undecodable", "0.png")


def encoded(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def test_pictures_of_every_mode_decode_to_grey_or_colour() -> None:
    levels = np.arange(0, 65536, 6553).astype(np.uint16)[None]
    np.testing.assert_array_equal(decode_image("x", encoded(Image.fromarray(levels), "PNG"))[..., 0], levels >> 8)
    for mode, channels in (("1", 1), ("L", 1), ("LA", 1), ("P", 3), ("RGB", 3), ("RGBA", 3)):
        found = decode_image("x", encoded(Image.new(mode, (3, 2)), "PNG"))
        assert (found.shape, found.dtype) == ((2, 3, channels), np.dtype("uint8"))


@pytest.mark.parametrize("kind", ["EPS", "PCX", "TGA"])
def test_only_formats_of_pictures_that_people_have_are_decoded(kind: str) -> None:
    with pytest.raises(DataError) as refusal:
        decode_image("cat/0.png", encoded(Image.new("RGB", (3, 2)), kind))
    assert refusal.value.error_code == "data_undecodable"
    assert "cat/0.png" in refusal.value.message


@pytest.mark.parametrize("side", [8_100, 10_000, 14_000])
def test_a_picture_that_unpacks_to_far_too_many_pixels_is_refused(side: int) -> None:
    flat = b"P5 %d %d 255\n" % (side, side)
    with pytest.raises(DataError) as refusal:
        decode_image("cat/0.pgm", flat)
    assert refusal.value.error_code == "data_unsafe"
    assert "cat/0.pgm" in refusal.value.message


def several(kind: str) -> bytes:
    buffer = io.BytesIO()
    first, *more = (Image.new("L", (3, 2), shade) for shade in (0, 100, 200))
    first.save(buffer, kind, save_all=True, append_images=more)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "PNG"])
def test_a_file_of_several_pictures_is_refused(kind: str) -> None:
    with pytest.raises(DataError, match=r"cat/0.* holds several pictures") as refusal:
        decode_image("cat/0", several(kind))
    assert refusal.value.error_code == "data_format"


def test_a_second_picture_that_is_damaged_is_one(tmp_path: Path) -> None:
    content = several("TIFF")
    with pytest.raises(DataError):
        decode_image("cat/0", content[:-40])


def test_previews_that_cameras_add_are_not_the_picture() -> None:
    picture, preview = Image.new("RGB", (16, 8), (200, 0, 0)), Image.new("RGB", (2, 2))
    buffer = io.BytesIO()
    picture.save(buffer, "MPO", save_all=True, append_images=[preview])
    assert decode_image("cat/0.jpg", buffer.getvalue()).shape == (8, 16, 3)


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "PNG", "JPEG", "BMP", "PPM"])
def test_a_file_of_one_picture_is_decoded(kind: str) -> None:
    assert decode_image("cat/0", encoded(Image.new("L", (3, 2), 7), kind)).shape[:2] == (2, 3)
