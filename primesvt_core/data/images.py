"""Pictures as files: decoded by the formats that people have, and by no others."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from primesvt_core.data._base import refuse

DECODERS = ("JPEG", "PNG", "BMP", "WEBP", "GIF", "PPM", "TIFF")
"""No others, whatever a file's content names: Pillow has some that start programs."""

CAMERA = "MPO"
"""Pillow's name of JPEGs that hold previews or a second view behind the picture."""

MAX_PIXELS = 64_000_000
WIDE_GREY = ("I;16", "I;16B", "I;16L", "I;16N")
"""Pillow's modes of grey pictures of 16 bits, which its conversion to bytes would clip."""

Read = Callable[[str], bytes]


def decoded(name: str, read: Read) -> NDArray[Any]:
    """The picture of that name.

    Raises:
        DataError: it cannot be read or decoded.
    """
    try:
        content = read(name)
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise refuse("data_undecodable", f"{name} cannot be read ({error}); remove or replace it") from None
    return decode_image(name, content)


def decode_image(name: str, content: bytes) -> NDArray[Any]:
    """``(H, W, C)`` bytes: one channel for grey images, three for all others.

    Raises:
        DataError: naming the file.
    """
    try:
        with Image.open(BytesIO(content), formats=DECODERS) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise refuse(
                    "data_unsafe", f"{name} has {picture.width} x {picture.height} pixels, more than is accepted"
                )
            pixels = _pixels(picture)
            if _has_more(picture):
                raise refuse(
                    "data_format",
                    f"{name} holds several pictures, of which only one would be read; split it, one picture a file",
                )
            return pixels
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise refuse("data_unsafe", f"{name}: {error}") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise refuse(
            "data_undecodable", f"{name} cannot be decoded as an image ({error}); remove or replace it"
        ) from None


def _has_more(picture: Image.Image) -> bool:
    """Whether there is another picture behind the first; cameras add previews to the one that counts."""
    if picture.format == CAMERA:
        return False
    try:
        picture.seek(1)
    except EOFError:
        return False
    except (OSError, SyntaxError, ValueError):  # there is one, and it is damaged
        return True
    return True


def _pixels(picture: Image.Image) -> NDArray[Any]:
    if picture.mode in WIDE_GREY:
        return (np.asarray(picture) >> 8).astype(np.uint8)[:, :, None]
    grey = picture.mode in ("1", "L", "LA", "I")
    pixels = np.asarray(picture.convert("L" if grey else "RGB"))
    return pixels[:, :, None] if pixels.ndim == 2 else pixels
