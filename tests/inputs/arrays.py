"""Arrays in every form: dtypes, ranges, dimensions, names, labels, what else is in the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from primesvt_core.spec import ClassReading, PreprocessingOverrides
from tests.inputs.case import CLASSES, Images, Input, Options, digits, inputs
from tests.inputs.files import folder, tarred, zipped

Arrays = Callable[[], dict[str, Any]]


def npz(arrays: Arrays, *, save: Callable[..., None] = np.savez) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        save(root / "set.npz", **arrays())
        return root / "set.npz"

    return make


def of_images(change: Callable[[NDArray[Any]], NDArray[Any]]) -> Callable[[Path], Path]:
    return npz(lambda: {"images": change(digits().pixels), "labels": digits().labels})


def of_labels(change: Callable[[NDArray[Any]], NDArray[Any]]) -> Callable[[Path], Path]:
    return npz(lambda: {"images": digits().pixels, "labels": change(digits().labels)})


def called(images: str, labels: str, **others: Any) -> Callable[[Path], Path]:
    return npz(lambda: {images: digits().pixels, labels: digits().labels} | others)


def _frames(steps: int, scale: float = 1 / 255) -> NDArray[np.float32]:
    return np.repeat(digits().pixels[:, None, None], steps, axis=1) * np.float32(scale)


DTYPES = inputs(
    "array dtype",
    {
        name: of_images(lambda x, dtype=name: x.astype(dtype))  # type: ignore[misc]
        for name in (
            "uint8",
            "int16",
            "int32",
            "int64",
            "uint16",
            "uint32",
            "uint64",
            ">i4",
            ">u2",
            "float16",
            "float32",
        )
    }
    | {
        "int8 wrapped": of_images(lambda x: x.astype(np.int8)),
        "strings": of_images(lambda x: x.astype("U3")),
        "objects": of_images(lambda x: x.astype(object)),
        "complex": of_images(lambda x: x.astype(complex)),
        "longdouble": of_images(lambda x: (x / 255).astype(np.longdouble)),
    },
)

FLAGS = Images(pixels=np.where(digits().pixels > 127, np.uint8(255), np.uint8(0)), labels=digits().labels)
DTYPES += [
    Input(name=f"array dtype: {name}", make=of_images(change), images=FLAGS)
    for name, change in (
        ("truth values", lambda x: x > 127),
        ("0 and 1", lambda x: (x > 127).astype(np.int64)),
        ("0.0 and 1.0", lambda x: (x > 127).astype(np.float32)),
        ("0 and 255", lambda x: np.where(x > 127, 255, 0)),
    )
]  # fmt: skip

RANGES = inputs(
    "array range",
    {
        "0-1 float32": of_images(lambda x: x / np.float32(255)),
        "0-1 float64": of_images(lambda x: x / 255),
        "0-1 float16": of_images(lambda x: (x / 255).astype(np.float16)),
        "0-1 by 256": of_images(lambda x: x / np.float32(256)),
        "-1-1": of_images(lambda x: x / np.float32(127.5) - 1),
        "-0.5-0.5": of_images(lambda x: x / np.float32(255) - np.float32(0.5)),
        "0-16 integers": of_images(lambda x: np.rint(x / 255 * 16).astype(np.uint8)),
        "0-16 floats": of_images(lambda x: x / np.float32(255) * 16),
        "0-1 integers": of_images(lambda x: (x > 127).astype(np.uint8)),
        "0-100 integers": of_images(lambda x: np.rint(x / 2.55).astype(np.int64)),
        "0-127 integers": of_images(lambda x: (x // 2).astype(np.uint8)),
        "0-4095 integers": of_images(lambda x: x.astype(np.uint16) * 16),
        "0-65535 integers": of_images(lambda x: x.astype(np.uint16) * 257),
        "-128-127 integers": of_images(lambda x: (x.astype(np.int64) - 128).astype(np.int8)),
        "0-2 floats": of_images(lambda x: x / np.float32(127.5)),
        "0-0.5 floats": of_images(lambda x: x / np.float32(510)),
        "0-0.0039 floats": of_images(lambda x: x / np.float32(255) ** 2),
        "0.25-0.75 floats": of_images(lambda x: x / np.float32(510) + np.float32(0.25)),
        "normalised": of_images(lambda x: (x / np.float32(255) - 0.3) / np.float32(0.35)),
        "normalised each": of_images(lambda x: (x - x.mean((1, 2), keepdims=True)) / x.std((1, 2), keepdims=True)),
        "0-1 a picture": of_images(lambda x: x / x.max((1, 2), keepdims=True).astype(np.float32)),
        "nan": of_images(lambda x: np.where(x == x.max(), np.nan, x / 255)),
        "infinite": of_images(lambda x: np.where(x == x.max(), np.inf, x / 255)),
        "one value beyond": of_images(lambda x: np.where(np.arange(x.size).reshape(x.shape), x / 255, 1.5)),
    },
) + [
    Input(name=f"array range told: {name}", make=of_images(change), options=Options(value_range=given))
    for name, change, given in (
        ("-1:1", lambda x: x / np.float32(127.5) - 1, (-1, 1)),
        ("0:255 floats", lambda x: x.astype(np.float32), (0, 255)),
        ("0:16", lambda x: x / np.float32(255) * 16, (0, 16)),
        ("0:4080", lambda x: x.astype(np.uint16) * 16, (0, 4080)),
        ("0:65535", lambda x: x.astype(np.uint16) * 257, (0, 65535)),
        ("-128:127", lambda x: (x.astype(np.int64) - 128).astype(np.int8), (-128, 127)),
        ("too small", lambda x: x, (0, 100)),
        ("too large", lambda x: x, (0, 1000)),
        ("reversed use", lambda x: x / np.float32(255), (0, 255)),
    )
] + [
    Input(
        name="array range told: mean and deviation", make=of_images(lambda x: x.astype(np.float32)),
        options=Options(preprocessing=PreprocessingOverrides(mean=(0.0,), std=(255.0,))),
    )
]  # fmt: skip

DIMENSIONS = inputs(
    "array dimensions",
    {
        "N H W": of_images(lambda x: x),
        "N 1 H W": of_images(lambda x: x[:, None]),
        "N H W 1": of_images(lambda x: x[..., None]),
        "N 3 H W": of_images(lambda x: np.repeat(x[:, None], 3, 1)),
        "N H W 3": of_images(lambda x: np.repeat(x[..., None], 3, 3)),
        "N H W 4": of_images(lambda x: np.repeat(x[..., None], 4, 3)),
        "N H W 2": of_images(lambda x: np.repeat(x[..., None], 2, 3)),
        "N HW": of_images(lambda x: x.reshape(len(x), -1)),
        "H W N": of_images(lambda x: x.transpose(1, 2, 0)),
        "H W 1 N": of_images(lambda x: x.transpose(1, 2, 0)[:, :, None]),
        "1 N H W": of_images(lambda x: x[None]),
        "N 1 1 H W": of_images(lambda x: x[:, None, None]),
        "Fortran order": of_images(np.asfortranarray),
        "a view": of_images(lambda x: np.repeat(x, 2, 2)[:, :, ::2]),
        "no picture": of_images(lambda x: x[:0]),
        "one more picture": of_images(lambda x: np.concatenate([x, x[:1]])),
    },
)

NAMES = inputs(
    "array names",
    {
        **{f"{x} {y}": called(x, y) for x, y in (
            ("x", "y"), ("X", "Y"), ("data", "targets"), ("image", "label"), ("imgs", "target"), ("x_test", "y_test"),
            ("test_images", "test_labels"), ("X_val", "y_val"), ("x_train", "y_train"), ("images", "y"),
            ("arr_0", "arr_1"), ("pixels", "digit"), ("features", "labels"), ("test_x", "train_y"),
        )},
        "train beside test": npz(lambda: {
            "x_train": digits().pixels[::-1], "y_train": digits().labels, "x_test": digits().pixels,
            "y_test": digits().labels,
        }),
        "train beside val": npz(lambda: {
            "train_images": digits().pixels[::-1], "train_labels": digits().labels, "val_images": digits().pixels,
            "val_labels": digits().labels,
        }),
        "two pairs": npz(lambda: {
            "images": digits().pixels, "labels": digits().labels, "x": digits().pixels[::-1], "y": digits().labels,
        }),
        "coarse labels too": called("images", "labels", coarse_labels=np.zeros(60, int)),
        "two labels": called("images", "labels", label=np.zeros(60, int)),
        "classes": called("images", "labels", classes=np.array([*map(str, range(CLASSES))])),
        "classes in words": called("images", "labels", class_names=np.array(list("abcdefghij"))),
        "classes too few": called("images", "labels", classes=np.array(list("abc"))),
        "classes as numbers": called("images", "labels", classes=np.arange(CLASSES)),
        "mean too": called("images", "labels", mean=np.array(0.3), std=np.array(0.35)),
        "scale too": called("images", "labels", scale=np.array(1 / 255)),
        "compressed": npz(lambda: {"images": digits().pixels, "labels": digits().labels}, save=np.savez_compressed),
    },
)  # fmt: skip

LABELS = inputs(
    "array labels",
    {
        "(N, 1)": of_labels(lambda y: y[:, None]),
        "(1, N)": of_labels(lambda y: y[None]),
        "one-hot": of_labels(lambda y: np.eye(CLASSES)[y]),
        "one-hot integers": of_labels(lambda y: np.eye(CLASSES, dtype=np.int64)[y]),
        "one-hot flags": of_labels(lambda y: np.eye(CLASSES)[y] > 0),
        "one-hot minus": of_labels(lambda y: 2 * np.eye(CLASSES)[y] - 1),
        "one-hot smoothed": of_labels(lambda y: 0.9 * np.eye(CLASSES)[y] + 0.01),
        "one-hot transposed": of_labels(lambda y: np.eye(CLASSES)[y].T),
        "one-hot of eleven": of_labels(lambda y: np.eye(CLASSES + 1)[y]),
        "floats": of_labels(lambda y: y.astype(np.float32)),
        "broken floats": of_labels(lambda y: y + 0.5),
        "uint8": of_labels(lambda y: y.astype(np.uint8)),
        "big-endian": of_labels(lambda y: y.astype(">i2")),
        "texts": of_labels(lambda y: y.astype("U1")),
        "bytes": of_labels(lambda y: y.astype("S1")),
        "objects": of_labels(lambda y: y.astype(object)),
        "from 1": of_labels(lambda y: y + 1),
        "from 1 in uint8": of_labels(lambda y: (y + 1).astype(np.uint8)),
        "reversed sign": of_labels(lambda y: -y),
        "some -1": of_labels(lambda y: np.where(np.arange(len(y)) % 7, y, -1)),
        "some 255": of_labels(lambda y: np.where(np.arange(len(y)) % 7, y, 255)),
        "some nan": of_labels(lambda y: np.where(np.arange(len(y)) % 7, y, np.nan)),
        "tens": of_labels(lambda y: y * 10),
        "two columns": of_labels(lambda y: np.stack([y, y], 1)),
        "one fewer": of_labels(lambda y: y[:-1]),
    },
)


def _subset(keep: Callable[[NDArray[Any]], NDArray[Any]], shift: int = 0, **reading: Any) -> dict[str, Any]:
    def make() -> dict[str, Any]:
        kept = keep(digits().labels)
        return {"images": digits().pixels[kept], "labels": digits().labels[kept] + shift}

    kept = keep(digits().labels)
    images = Images(pixels=digits().pixels[kept], labels=digits().labels[kept])
    return {"make": npz(make), "images": images, "options": Options(classes=ClassReading(**reading))}


FEWER = [
    Input(name="array classes: the first seven", **_subset(lambda y: y < 7)),
    Input(name="array classes: the last seven", **_subset(lambda y: y > 2)),
    Input(name="array classes: one", **_subset(lambda y: y == 4)),
    Input(name="array classes: counted from 1", **_subset(lambda y: y < 7, shift=1)),
    Input(name="array classes: counted from 1, allowed", **_subset(lambda y: y < 7, shift=1, allow_fewer_classes=True)),
    Input(name="array classes: counted from 1, listed", **_subset(
        lambda y: y < 9, shift=1, class_order=tuple("abcdefghij")
    )),
    Input(name="array classes: counted from 0, listed", **_subset(lambda y: y < 9, class_order=tuple("abcdefghij"))),
]  # fmt: skip

FRAMES = inputs(
    "frames in an array",
    {
        "as the model": npz(lambda: {"frames": _frames(4), "labels": digits().labels}),
        "N T H W C": npz(lambda: {"frames": _frames(4).transpose(0, 1, 3, 4, 2), "labels": digits().labels}),
        "fewer steps": npz(lambda: {"frames": _frames(2), "labels": digits().labels}),
        "more steps": npz(lambda: {"frames": _frames(8), "labels": digits().labels}),
        "time first": npz(lambda: {"frames": _frames(4).transpose(1, 0, 2, 3, 4), "labels": digits().labels}),
        "two polarities": npz(lambda: {"frames": np.repeat(_frames(4), 2, 2), "labels": digits().labels}),
        "counts": npz(lambda: {"frames": _frames(4, 1), "labels": digits().labels}),
        "larger": npz(lambda: {"frames": _frames(4).repeat(2, 3).repeat(2, 4), "labels": digits().labels}),
        "counts in bytes": npz(lambda: {"frames": _frames(4, 1).astype(np.uint8), "labels": digits().labels}),
        "not finite": npz(lambda: {"frames": _frames(4) / np.float32(0) * 0, "labels": digits().labels}),
    },
)


def _content() -> bytes:
    from io import BytesIO

    buffer = BytesIO()
    np.savez(buffer, images=digits().pixels, labels=digits().labels)
    return buffer.getvalue()


CARRIED = inputs(
    "array carried",
    {
        "folder": lambda root: folder(root, {"digits.npz": _content()}),
        "folder below": lambda root: folder(root, {"a/b/digits.npz": _content(), "README.md": b"#"}),
        "zip": lambda root: zipped(root, {"digits.npz": _content()}),
        "zip below": lambda root: zipped(root, {"top/digits.npz": _content(), "top/readme.txt": b"x"}),
        "tar": lambda root: tarred(root, {"digits.npz": _content()}),
        "tar.xz": lambda root: tarred(root, {"./digits.npz": _content()}, "set.tar.xz", "w:xz"),
        "zip in a folder": lambda root: zipped(root / "set", {"digits.npz": _content()}).parent,
        "zip in a zip": lambda root: zipped(
            root, {"inner.zip": zipped(root / "x", {"digits.npz": _content()}).read_bytes()}
        ),
        "twice": lambda root: folder(root, {"a.npz": _content(), "b.npz": _content()}),
        "renamed .zip": lambda root: (root / "set.zip").write_bytes(_content()) and root / "set.zip",
        "without suffix": lambda root: (root / "set").write_bytes(_content()) and root / "set",
        "cut short": lambda root: (root / "set.npz").write_bytes(_content()[:-500]) and root / "set.npz",
        "hidden copy": lambda root: folder(root, {"digits.npz": _content(), "__MACOSX/._digits.npz": b"x"}),
    },
)  # fmt: skip

ALL = [*DTYPES, *RANGES, *DIMENSIONS, *NAMES, *LABELS, *FEWER, *FRAMES, *CARRIED]
