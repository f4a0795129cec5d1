"""Coloured pictures, by real ones beside the checkout: formats, channels, CIFAR's python files."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.inputs.arrays import npz
from tests.inputs.case import Bytes, Images, Input
from tests.inputs.files import Encode, decoded, encoded, folder, named, packed, tarred
from tests.support.data_files import as_python2
from tests.support.shared import SHARED

MODEL = SHARED / "checkpoints" / "spikformer-2-192-cifar10.pth.tar"
COUNT = 40
DARK = 100
NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@cache
def photos() -> Images:
    """Some test pictures of CIFAR-10."""
    with np.load(SHARED / "cases" / "pixels.npz") as arrays:
        pixels, labels = arrays["images"], arrays["labels"]
    chosen = np.concatenate([np.flatnonzero(labels == number)[: COUNT // len(NAMES)] for number in range(len(NAMES))])
    return Images(pixels=pixels[chosen], labels=labels[chosen].astype(np.int64))


def _input(name: str, make: Callable[[Path], Any], images: Images | None = None) -> Input:
    return Input(name=f"colours {name}", make=make, images=images or photos(), model=MODEL)


def _array(change: Callable[[NDArray[Any]], NDArray[Any]]) -> Callable[[Path], Path]:
    return npz(lambda: {"images": change(photos().pixels), "labels": photos().labels})


def _written(suffix: str, encode: Encode) -> Callable[[Path], Path]:
    return packed(partial(named, "{c}/{n}." + suffix, NAMES, encode, photos()), "folder")


def _read_again(encode: Encode) -> Images:
    """As Pillow has them when they were written and read, in three colours."""
    pixels = np.stack([decoded(encode(x)) for x in photos().pixels])
    return Images(pixels=pixels, labels=photos().labels)


def _converted(mode: str, form: str = "PNG", **options: Any) -> Encode:
    return lambda x: encoded(Image.fromarray(x).convert(mode), form, **options)


def _transparent(pixels: Bytes) -> bytes:
    alpha = np.full((*pixels.shape[:2], 1), 255, np.uint8)
    alpha[:16] = 0
    return encoded(np.concatenate([pixels, alpha], 2))


def _some_grey(pixels: Bytes) -> bytes:
    """Grey where the picture is dark."""
    picture = Image.fromarray(pixels)
    return encoded(picture.convert("L") if pixels.mean() < DARK else picture)


def _batch(**changes: Any) -> dict[bytes, Any]:
    flat = np.ascontiguousarray(photos().pixels.transpose(0, 3, 1, 2)).reshape(COUNT, -1)
    usual: dict[bytes, Any] = {
        b"data": flat,
        b"labels": photos().labels.tolist(),
        b"batch_label": b"testing batch 1 of 1",
    }
    return usual | {name.encode(): value for name, value in changes.items()}


def _cifar(
    batch: Callable[[], dict[bytes, Any]] = _batch,
    dumps: Callable[[object], bytes] = as_python2,
    *,
    meta: Any = None,
    test: str = "test_batch",
    how: str = "folder",
) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        described = {"label_names": [*NAMES]} if meta is None else meta
        below = "cifar-10-batches-py"
        files = {f"{below}/batches.meta": dumps(described), f"{below}/{test}": dumps(batch())}
        return folder(root, files) if how == "folder" else tarred(root, files, "set.tar.gz", "w:gz")

    return make


def _fortran() -> dict[bytes, Any]:
    return _batch(data=np.asfortranarray(_batch()[b"data"]))


def _all() -> list[Input]:
    made: dict[str, Callable[[Path], Any]] = {
        "array: N H W 3": _array(lambda x: x),
        "array: N 3 H W": _array(lambda x: x.transpose(0, 3, 1, 2)),
        "array: N H 3 W": _array(lambda x: x.transpose(0, 1, 3, 2)),
        "array: N W H 3 of floats": _array(lambda x: x / np.float32(255)),
        "array: -1-1": _array(lambda x: x / np.float32(127.5) - 1),
        "array: 0-255 floats": _array(lambda x: x.astype(np.float32)),
        "array: normalised": _array(lambda x: (x / 255 - [0.4914, 0.4822, 0.4465]) / [0.247, 0.2435, 0.2616]),
        "array: N 3072": _array(lambda x: x.reshape(len(x), -1)),
        "array: with alpha": _array(lambda x: np.concatenate([x, 0 * x[..., :1] + 255], 3)),
        "picture: png": _written("png", encoded),
        "picture: bmp": _written("bmp", lambda x: encoded(x, "BMP")),
        "picture: ppm": _written("ppm", lambda x: encoded(x, "PPM")),
        "picture: tiff": _written("tif", lambda x: encoded(x, "TIFF", compression="tiff_lzw")),
        "picture: tiff in planes": _written("tif", lambda x: encoded(x, "TIFF")),
        "picture: webp, lossless": _written("webp", lambda x: encoded(x, "WEBP", lossless=True)),
        "picture: png with alpha": _written("png", _converted("RGBA")),
        "pickle: as published": _cifar(),
        "pickle: packed": _cifar(how="tar"),
        "pickle: Python 3": _cifar(dumps=pickle.dumps),
        "pickle: protocol 5": _cifar(dumps=partial(pickle.dumps, protocol=5)),
        "pickle: Fortran order": _cifar(_fortran, pickle.dumps),
        "pickle: pictures": _cifar(lambda: _batch(data=photos().pixels), pickle.dumps),
        "pickle: pictures, colours first": _cifar(
            lambda: _batch(data=photos().pixels.transpose(0, 3, 1, 2)), pickle.dumps
        ),
        "pickle: floats": _cifar(lambda: _batch(data=_batch()[b"data"] / np.float32(255)), pickle.dumps),
        "pickle: floats of bytes": _cifar(lambda: _batch(data=_batch()[b"data"].astype(np.float32)), pickle.dumps),
        "pickle: labels as an array": _cifar(lambda: _batch(labels=photos().labels), pickle.dumps),
        "pickle: labels from 1": _cifar(lambda: _batch(labels=(photos().labels + 1).tolist()), pickle.dumps),
        "pickle: labels missing": _cifar(lambda: {b"data": _batch()[b"data"]}),
        "pickle: fewer labels": _cifar(lambda: _batch(labels=photos().labels[1:].tolist())),
        "pickle: names missing": _cifar(meta={}),
        "pickle: names too few": _cifar(meta={"label_names": [*NAMES[:5]]}),
        "pickle: names in another order": _cifar(meta={"label_names": [*reversed(NAMES)]}),
        "pickle: training part alone": _cifar(test="data_batch_1"),
        "pickle: pixel by pixel": _cifar(lambda: _batch(data=photos().pixels.reshape(COUNT, -1)), pickle.dumps),
    }
    lossy: dict[str, tuple[str, Encode]] = {
        "jpeg": ("jpg", lambda x: encoded(x, "JPEG", quality=75)),
        "jpeg, all colours": ("jpeg", lambda x: encoded(x, "JPEG", quality=75, subsampling=0)),
        "webp": ("webp", lambda x: encoded(x, "WEBP")),
    }
    changed: dict[str, Callable[[Bytes], Bytes]] = {
        "blue first": lambda x: np.ascontiguousarray(x[..., ::-1]),
        "turned": lambda x: np.ascontiguousarray(x.transpose(1, 0, 2)),
        "40 x 40": lambda x: np.asarray(Image.fromarray(x).resize((40, 40))),
    }
    return [
        *(_input(name, make) for name, make in made.items()),
        *(
            _input(f"picture: {n}", _written(suffix, encode), _read_again(encode))
            for n, (suffix, encode) in lossy.items()
        ),
        *(_changed(name, change) for name, change in changed.items()),
        *_by_conversion(),
    ]


def _changed(name: str, change: Callable[[Bytes], Bytes]) -> Input:
    images = Images(pixels=np.stack([change(x) for x in photos().pixels]), labels=photos().labels)
    return _input(f"content: {name}", packed(partial(named, "{c}/{n}.png", NAMES, images=images), "folder"), images)


def _by_conversion() -> list[Input]:
    """Forms that hold other pixels than three colours, which Pillow turns into these."""
    forms: dict[str, tuple[str, Encode]] = {
        "palette": ("png", _converted("P", palette=Image.Palette.ADAPTIVE)),
        "gif": ("gif", _converted("P", "GIF")),
        "CMYK": ("jpg", _converted("CMYK", "JPEG")),
        "transparent": ("png", _transparent),
        "grey": ("png", _converted("L")),
        "one bit": ("png", _converted("1")),
        "some grey": ("png", _some_grey),
    }

    def images(encode: Encode) -> Images:
        pixels = [np.asarray(_opened(encode(x)).convert("RGB")) for x in photos().pixels]
        return Images(pixels=np.stack(pixels), labels=photos().labels)

    return [_input(f"picture: {n}", _written(suffix, encode), images(encode)) for n, (suffix, encode) in forms.items()]


def _opened(content: bytes) -> Image.Image:
    from io import BytesIO

    return Image.open(BytesIO(content))


ALL: list[Input] = _all() if SHARED.is_dir() else []
