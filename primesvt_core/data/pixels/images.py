"""Pictures as files: decoded by the formats that people have and by no others, scaled by the maximum that these state.

A maximum that no format states would have to be guessed from the brightest pixel, differently for every picture.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from primesvt_core.data._base import refuse

DECODERS = ("JPEG", "PNG", "BMP", "WEBP", "GIF", "PPM", "TIFF")
"""No others, whatever a file's content names: Pillow has some that start programs."""

MAX_PIXELS = 64_000_000
GREY = ("1", "L", "LA", "I", "F")
SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I;16N")
"""Pillow's modes of grey pictures of 16 bits, which its conversion to bytes would clip."""

LARGEST = (1 << 16) - 1
SCALED = ("PPM", "PNG")
"""Formats whose grey pictures of more than 8 bits Pillow gives as integers up to `LARGEST`, whatever their maximum."""

BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339
"""Tags of a TIFF."""

WHITE_IS_ZERO = 0
UNSIGNED = 1
CAMERA = "MPO"
"""Pillow's name of JPEGs that hold previews or a second view behind the picture."""

Read = Callable[[str], bytes]
Decode = Callable[[str, bytes], NDArray[Any]]


def decoded(name: str, read: Read, decode: Decode) -> NDArray[Any]:
    """The sample in the file of that name.

    Raises:
        DataError: it cannot be read or decoded.
    """
    try:
        content = read(name)
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise refuse("data_undecodable", f"{name} cannot be read ({error}); remove or replace it") from None
    return decode(name, content)


def decode_image(name: str, content: bytes) -> NDArray[Any]:
    """The pixels of a picture's file; see `pixels_of`.

    Raises:
        DataError: naming the file.
    """
    try:
        with Image.open(BytesIO(content), formats=DECODERS) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise refuse(
                    "data_unsafe", f"{name} has {picture.width} x {picture.height} pixels, more than is accepted"
                )
            pixels = pixels_of(name, picture)
            if _has_more(picture):
                raise refuse(
                    "data_format",
                    f"{name} holds several pictures, of which only one would be read; split it, one picture a file",
                )
            return pixels
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise refuse("data_unsafe", f"{name}: {error}") from None
    except UnidentifiedImageError:
        raise refuse(
            "data_undecodable", f"{name} holds no picture, whatever it is called; remove or replace it"
        ) from None
    except (OSError, EOFError, SyntaxError, ValueError) as error:
        raise refuse(
            "data_undecodable", f"{name} cannot be decoded as an image ({error}); remove or replace it"
        ) from None


def pixels_of(name: str, picture: Image.Image) -> NDArray[Any]:
    """The pixels of a picture.

    Returns:
        ``(H, W, C)`` bytes, one channel for grey pictures and three for all others.

    Raises:
        DataError: if its format does not state what white is.
    """
    _check_unsigned(name, picture)
    if picture.mode in (*SIXTEEN_BITS, "I", "F"):
        return _wide(picture, _largest(name, picture))[:, :, None]
    pixels = np.asarray(picture.convert("L" if picture.mode in GREY else "RGB"))
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


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


def _check_unsigned(name: str, picture: Image.Image) -> None:
    """Pillow reads some signed samples as if they were not."""
    formats = _tag(picture, SAMPLE_FORMAT, (UNSIGNED,))
    if any(number != UNSIGNED for number in (formats if isinstance(formats, tuple) else (formats,))):
        raise _unclear(name, "signed or floating point")


def _tag(picture: Image.Image, number: int, default: Any) -> Any:
    """A tag of a TIFF; the default for all other formats."""
    tags = getattr(picture, "tag_v2", None)
    return default if tags is None else tags.get(number, default)


def _largest(name: str, picture: Image.Image) -> int:
    """The value of white of a grey picture of more than 8 bits."""
    if picture.mode in SIXTEEN_BITS:
        [bits] = _tag(picture, BITS_PER_SAMPLE, (16,))
        return (1 << int(bits)) - 1
    if picture.mode == "I" and picture.format in SCALED:
        return LARGEST
    raise _unclear(name, "floating point" if picture.mode == "F" else "32 bit")


def _wide(picture: Image.Image, largest: int) -> NDArray[np.uint8]:
    """``(H, W)`` bytes, the upper ones of 16 bits, as Pillow has it for colours."""
    values = np.rint(np.asarray(picture).astype(np.float64) * (LARGEST / largest)).astype(np.int64)
    if _tag(picture, PHOTOMETRIC, None) == WHITE_IS_ZERO:
        values = LARGEST - values
    return (values >> 8).astype(np.uint8)


def _unclear(name: str, what: str) -> Exception:
    return refuse(
        "data_format",
        f"{name} has {what} pixels, whose format does not state what white is; save it with 8 or 16 bits, or all of the"
        " pictures as an .npz, for which the range can be given (--value-range)",
    )
