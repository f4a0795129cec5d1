"""Pictures in class folders: which class they are of, and which pictures are decoded."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from primesvt_core.data import open_data
from primesvt_core.data.images import decode_image
from primesvt_core.errors import DataError
from tests.support.data_files import (
    IMAGES,
    folder,
    refused,
)


def test_a_picture_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    root = folder(tmp_path)
    (root / "cat" / "0.png").write_bytes((root / "cat" / "0.png").read_bytes()[:40])
    refused(root, "data_undecodable", "0.png")


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(IMAGES[0]).save(path)


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (["cat/0.png", "dog/1.png"], ("cat", "dog")),
        (["top/cat/0.png", "top/dog/1.png"], ("cat", "dog")),
        (["cat/deep/0.png", "dog/1.png"], ("cat", "dog")),
        (["only/0.png", "only/1.png"], ("only",)),
        (["top/val/cat/0.png", "top/train/cat/1.png", "top/train/dog/2.png"], ("cat",)),
        (["test/cat/0.png", "val/dog/1.png"], ("cat",)),
    ],
)
def test_classes_are_the_first_folders_that_differ(names: list[str], classes: tuple[str, ...], tmp_path: Path) -> None:
    for name in names:
        picture(tmp_path / "set" / name)
    assert open_data(tmp_path / "set").classes == classes


def test_a_picture_beside_the_class_folders_is_refused(tmp_path: Path) -> None:
    for name in ("top/cat/0.png", "top/dog/1.png", "top/sample.png"):
        picture(tmp_path / "set" / name)
    refused(tmp_path / "set", "data_format", "top/sample.png")


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
