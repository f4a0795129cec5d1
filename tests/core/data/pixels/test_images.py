"""Pictures of every format, mode and depth: scaled by what their format states, or refused."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from primesvt_core.data.pixels.images import decode_image
from primesvt_core.errors import DataError
from tests.support.data_files import folder, refused

LEVELS = np.arange(0, 65536, 6553).astype(np.uint16)[None]
"""One row, whose brightest pixel is not white."""

WIDTH = LEVELS.shape[1]


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pgm(values: NDArray[Any], maximum: int) -> bytes:
    return b"P5 %d 1 %d\n" % (WIDTH, maximum) + values.astype(">u2" if maximum > 255 else "u1").tobytes()


def tiff(content: bytes, bits: int, *, signs: int = 1, photometric: int = 1, width: int = WIDTH) -> bytes:
    """A little-endian TIFF of one strip of one row of grey samples, with the tags that state what they are."""
    tags = [
        (256, width), (257, 1), (258, bits), (259, 1), (262, photometric), (273, 8), (277, 1), (278, 1),
        (279, len(content)), (339, signs),
    ]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, 4 if value > 65535 else 3, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<I", 8 + len(content)) + content + struct.pack("<H", len(tags)) + entries + bytes(4)


def packed_12_bits(values: NDArray[np.uint16]) -> bytes:
    """Two samples in three bytes."""
    pairs = values.reshape(-1, 2).astype(int)
    return b"".join(bytes((a >> 4, (a & 15) << 4 | b >> 8, b & 255)) for a, b in pairs)


def test_pictures_of_every_mode_decode_to_grey_or_colour() -> None:
    for mode, channels in (("1", 1), ("L", 1), ("LA", 1), ("P", 3), ("RGB", 3), ("RGBA", 3)):
        found = decode_image("x", encoded(Image.new(mode, (3, 2)), "PNG"))
        assert (found.shape, found.dtype) == ((2, 3, channels), np.dtype("uint8"))


STATED: dict[str, tuple[bytes, NDArray[np.float64]]] = {
    "16-bit PNG": (encoded(Image.fromarray(LEVELS), "PNG"), LEVELS / 65535),
    "16-bit TIFF": (encoded(Image.fromarray(LEVELS), "TIFF"), LEVELS / 65535),
    "16-bit TIFF, packed": (encoded(Image.fromarray(LEVELS), "TIFF", compression="tiff_lzw"), LEVELS / 65535),
    "16-bit TIFF, big-endian": (encoded(Image.fromarray(LEVELS.astype(">u2")), "TIFF"), LEVELS / 65535),
    "16-bit TIFF, white is 0": (tiff(LEVELS.astype("<u2").tobytes(), 16, photometric=0), 1 - LEVELS / 65535),
    "12-bit TIFF": (
        tiff(packed_12_bits(np.array([[0, 4095, 100, 2048]], np.uint16)), 12, width=4),
        np.array([[0, 4095, 100, 2048]]) / 4095,
    ),
    "16-bit PGM": (pgm(LEVELS, 65535), LEVELS / 65535),
    "12-bit PGM": (pgm(LEVELS >> 4, 4095), (LEVELS >> 4) / 4095),
    "10-bit PGM": (pgm(LEVELS >> 6, 1023), (LEVELS >> 6) / 1023),
    "9-bit PGM in text": (
        b"P2 3 1 511\n0 100 511\n",
        np.array([[0, 100, 511]]) / 511,
    ),
}


@pytest.mark.parametrize("kind", STATED)
def test_grey_of_more_than_8_bits_is_scaled_by_the_maximum_of_its_format(kind: str) -> None:
    content, shares = STATED[kind]
    found = decode_image("x", content)
    assert (found.dtype, found.shape) == (np.dtype(np.uint8), (*shares.shape, 1))
    np.testing.assert_array_equal(found[..., 0], np.rint(65535 * shares).astype(int) >> 8)


def test_grey_of_fewer_bits_is_scaled_by_the_maximum_of_its_format() -> None:
    found = decode_image("x", pgm(np.arange(WIDTH, dtype=np.uint16)[None], 15))
    np.testing.assert_array_equal(found[0, :, 0], np.round(np.arange(WIDTH) * 255 / 15))
    bits = encoded(Image.fromarray(np.array([[False, True]])), "PNG")
    np.testing.assert_array_equal(decode_image("x", bits)[0, :, 0], [0, 255])


def test_colours_of_16_bits_are_scaled_by_the_maximum_of_their_format() -> None:
    colours = np.array([[[0, 32768, 65535]]], ">u2")
    np.testing.assert_array_equal(decode_image("x", b"P6 1 1 65535\n" + colours.tobytes())[0, 0], [0, 128, 255])


FLOATS = np.linspace(0, 3, WIDTH, dtype=np.float32)[None]
UNSTATED: dict[str, tuple[bytes, str]] = {
    "floats in a TIFF": (encoded(Image.fromarray(FLOATS), "TIFF"), "floating point"),
    "floats in a PFM": (encoded(Image.fromarray(FLOATS), "PPM"), "floating point"),
    "32 bits in a TIFF": (encoded(Image.fromarray(LEVELS.astype(np.int32)), "TIFF"), "signed"),
    "32 unsigned bits in a TIFF": (tiff(LEVELS.astype("<u4").tobytes(), 32), "32 bit"),
    "signed bytes in a TIFF": (tiff(bytes(WIDTH), 8, signs=2), "signed"),
    "signed 16 bits in a TIFF": (tiff(bytes(2 * WIDTH), 16, signs=2), "signed"),
}


@pytest.mark.parametrize("kind", UNSTATED)
def test_a_maximum_that_no_format_states_is_not_guessed(kind: str) -> None:
    content, told = UNSTATED[kind]
    with pytest.raises(DataError, match=f"cat/0.tif has .*{told}.* what white is") as refusal:
        decode_image("cat/0.tif", content)
    assert refusal.value.error_code == "data_format"


def test_a_picture_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    root = folder(tmp_path)
    (root / "cat" / "0.png").write_bytes((root / "cat" / "0.png").read_bytes()[:40])
    refused(root, "data_undecodable", "0.png")


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
