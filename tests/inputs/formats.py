"""Pictures as files of every format, with values of every range and of every size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from PIL import Image

from tests.inputs.case import Bytes, Images, Input, digits
from tests.inputs.files import (
    NUMBERS,
    Encode,
    as_files,
    decoded,
    encoded,
    named,
)


def _decoded(encode: Encode) -> Images:
    """The pictures as Pillow has them when they were written and read."""
    pixels = np.stack([decoded(encode(picture)) for picture in digits().pixels])
    return Images(pixels=pixels.astype(np.uint8), labels=digits().labels)


def _pnm(magic: str, largest: int, dtype: str, scale: float) -> Encode:
    def encode(pixels: Bytes) -> bytes:
        head = f"{magic}\n# made by hand\n{pixels.shape[1]} {pixels.shape[0]}\n{largest}\n".encode()
        values = np.rint(pixels.astype(np.float64) * scale)
        return head + (values.astype(dtype).tobytes() if magic == "P5" else " ".join(
            str(int(value)) for value in values.ravel()
        ).encode())  # fmt: skip

    return encode


def _wide(pixels: Bytes) -> Image.Image:
    return Image.fromarray(pixels.astype(np.uint16) * 257)


def _with_exif(orientation: int) -> Encode:
    def encode(pixels: Bytes) -> bytes:
        exif = Image.Exif()
        exif[274] = orientation
        return encoded(pixels, "JPEG", quality=95, exif=exif)

    return encode


def _two(form: str) -> Encode:
    def encode(pixels: Bytes) -> bytes:
        other = Image.fromarray(pixels[::-1].copy())
        return encoded(Image.fromarray(pixels), form, save_all=True, append_images=[other])

    return encode


LOSSY: Mapping[str, tuple[str, Encode]] = {
    "jpeg": ("jpg", lambda x: encoded(x, "JPEG", quality=90)),
    "jpeg, poor": ("jpeg", lambda x: encoded(x, "JPEG", quality=20)),
    "jpeg, progressive": ("JPG", lambda x: encoded(x, "JPEG", progressive=True)),
    "gif": ("gif", lambda x: encoded(x, "GIF")),
    "jpeg, turned by its metadata": ("jpg", _with_exif(6)),
    "jpeg, mirrored by its metadata": ("jpg", _with_exif(2)),
}
LOSSLESS: Mapping[str, tuple[str, Encode]] = {
    "png": ("png", encoded),
    "PNG in capitals": ("PNG", encoded),
    "png, 16 bits": ("png", lambda x: encoded(_wide(x))),
    "png, grey with alpha": ("png", lambda x: encoded(Image.fromarray(x).convert("LA"))),
    "png, palette": ("png", lambda x: encoded(Image.fromarray(x).convert("P"))),
    "png, colours": ("png", lambda x: encoded(Image.fromarray(x).convert("RGB"))),
    "png, colours with alpha": ("png", lambda x: encoded(Image.fromarray(x).convert("RGBA"))),
    "png, interlaced or not, called jpg": ("jpg", encoded),
    "png, of alpha alone": ("png", lambda x: encoded(Image.merge("LA", (Image.new("L", x.shape), Image.fromarray(x))))),
    "png, cut short": ("png", lambda x: encoded(x)[:-40]),
    "png, empty": ("png", lambda _: b""),
    "bmp": ("bmp", lambda x: encoded(x, "BMP")),
    "pgm": ("pgm", lambda x: encoded(x, "PPM")),
    "pgm, of 255": ("pgm", _pnm("P5", 255, "u1", 1)),
    "pgm, 16 bits": ("pgm", _pnm("P5", 65535, ">u2", 257)),
    "pgm, text": ("pgm", _pnm("P2", 255, "", 1)),
    "pgm, text of 65535": ("pgm", _pnm("P2", 65535, "", 257)),
    "pgm, states too much": ("pgm", _pnm("P5", 65535, ">u2", 1)),
    "tiff": ("tif", lambda x: encoded(x, "TIFF")),
    "tiff, packed": ("tiff", lambda x: encoded(x, "TIFF", compression="tiff_lzw")),
    "tiff, 16 bits": ("tif", lambda x: encoded(_wide(x), "TIFF")),
    "tiff, white is zero": ("tif", lambda x: encoded(x, "TIFF", tiffinfo={262: 0})),
    "tiff, floats": ("tif", lambda x: encoded(Image.fromarray(x / np.float32(255)), "TIFF")),
    "tiff, 32 bits": ("tif", lambda x: encoded(Image.fromarray(x.astype(np.int32)), "TIFF")),
    "webp, grey": ("webp", lambda x: encoded(x, "WEBP", quality=80)),
    "webp, lossless, grey": ("webp", lambda x: encoded(x, "WEBP", lossless=True)),
    "gif, several": ("gif", _two("GIF")),
    "tiff, several": ("tif", _two("TIFF")),
    "png, several": ("png", _two("PNG")),
    "heic by name": ("heic", encoded),
    "npy": ("npy", lambda x: x.tobytes()),
    "without suffix": ("", encoded),
}


def _flags(pixels: Bytes) -> Bytes:
    return np.where(pixels > 127, np.uint8(255), np.uint8(0))


FORMATS = [
    *(
        Input(
            name=f"picture format: {name}",
            make=as_files(partial(named, "{c}/{n}." + suffix if suffix else "{c}/{n}", NUMBERS, encode)),
            images=_decoded(encode) if name in LOSSY else None,
        )
        for name, (suffix, encode) in {**LOSSY, **LOSSLESS}.items()
    ),
    *(
        Input(
            name=f"picture values: {name}", make=as_files(partial(named, "{c}/{n}." + suffix, NUMBERS, encode)),
            images=Images(pixels=_flags(digits().pixels), labels=digits().labels),
        )
        for name, suffix, encode in (
            ("png of one bit", "png", lambda x: encoded(Image.fromarray(_flags(x)).convert("1"))),
            ("pbm", "pbm", lambda x: encoded(Image.fromarray(_flags(x)).convert("1"), "PPM")),
            ("tiff of one bit", "tif", lambda x: encoded(Image.fromarray(_flags(x)).convert("1"), "TIFF")),
            ("bytes of 0 and 1", "png", lambda x: encoded(_flags(x) // 255)),
        )
    ),
    Input(
        name="picture values: pgm, of 51",
        make=as_files(partial(named, "{c}/{n}.pgm", NUMBERS, _pnm("P5", 51, "u1", 0.2))),
        images=Images(pixels=(np.rint(digits().pixels * 0.2) * 5).astype(np.uint8), labels=digits().labels),
    ),
    Input(name="picture values: bytes of 0 to 16", make=as_files(partial(
        named, "{c}/{n}.png", NUMBERS, lambda x: encoded(np.rint(x / 255 * 16).astype(np.uint8))
    ))),
    Input(name="picture values: 12 bits in 16", make=as_files(partial(
        named, "{c}/{n}.png", NUMBERS, lambda x: encoded(Image.fromarray(x.astype(np.uint16) * 16))
    ))),
    Input(name="picture values: bytes of 0 to 127", make=as_files(partial(
        named, "{c}/{n}.png", NUMBERS, lambda x: encoded(x // 2)
    ))),
]  # fmt: skip


def _scaled(width: int, height: int) -> Callable[[Bytes], Bytes]:
    return lambda x: np.asarray(Image.fromarray(x).resize((width, height), Image.Resampling.BILINEAR))


def _of_size(name: str, change: Callable[[Bytes], Bytes]) -> Input:
    images = Images(pixels=np.stack([change(x) for x in digits().pixels]), labels=digits().labels)
    return Input(name=f"picture size: {name}", make=as_files(lambda: named(images=images)), images=images)


SIZES = [
    _of_size("8 x 8", _scaled(8, 8)),
    _of_size("28 x 28", _scaled(28, 28)),
    _of_size("32 x 32", _scaled(32, 32)),
    _of_size("32 x 16", _scaled(32, 16)),
    _of_size("20 x 30", _scaled(20, 30)),
    _of_size("a border", lambda x: np.pad(x, 4)),
    _of_size("a band", lambda x: np.pad(x, ((0, 0), (8, 8)))),
    _of_size("one pixel", lambda x: x[:1, :1]),
    _of_size("turned", lambda x: np.ascontiguousarray(x.T)),
    _of_size("negative", lambda x: 255 - x),
    _of_size("dark", lambda x: x // 4),
    _of_size("noise", lambda x: np.random.default_rng(1).integers(0, 256, x.shape, np.uint8)),
    Input(name="picture size: one of another", images=Images(
        pixels=np.concatenate([digits().pixels, np.zeros((1, 16, 16), np.uint8)]), labels=np.append(digits().labels, 0)
    ), make=as_files(lambda: named() | {"0/more.png": encoded(np.zeros((20, 24), np.uint8))})),
    Input(name="picture size: a few coloured", make=as_files(
        lambda: named() | {"0/more.png": encoded(np.zeros((16, 16, 3), np.uint8))}
    )),
]  # fmt: skip


ALL = [*FORMATS, *SIZES]
