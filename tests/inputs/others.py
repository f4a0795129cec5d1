"""IDX files, Parquet files, Python data sets, and event frames a file each."""

from __future__ import annotations

import gzip
import io
import json
import struct
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from PIL import Image
from pyarrow import parquet
from torch.utils.data import TensorDataset

from primesvt_core.data import DataSet, from_dataset
from tests.inputs.case import CLASSES, digits, inputs
from tests.inputs.files import NUMBERS, WORDS, Files, encoded, folder, named, others, tarred, zipped

CODES = {"u1": 8, "i1": 9, ">i2": 0xB, ">i4": 0xC, ">f4": 0xD, ">f8": 0xE}


def idx_file(array: NDArray[Any], code: str = "u1") -> bytes:
    head = struct.pack(">HBB", 0, CODES[code], array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(code).tobytes()


def idx(
    stem: str = "t10k",
    *,
    dotted: bool = False,
    packed: bool = False,
    pixels: NDArray[Any] | None = None,
    labels: NDArray[Any] | None = None,
    code: str = "u1",
) -> Files:
    """The two files of a part."""
    sign, ending = "." if dotted else "-", ".gz" if packed else ""
    found = {
        f"{stem}-images{sign}idx3-ubyte{ending}": idx_file(digits().pixels if pixels is None else pixels, code),
        f"{stem}-labels{sign}idx1-ubyte{ending}": idx_file(digits().labels if labels is None else labels),
    }
    return {name: gzip.compress(content) if packed else content for name, content in found.items()}


def _training() -> Files:
    return idx("train", pixels=digits().pixels[::-1])


def _file(files: Files, name: str) -> Callable[[Path], Path]:
    return lambda root: folder(root, files) / name


IDX = inputs(
    "idx",
    {
        "folder": lambda root: folder(root, idx()),
        "packed": lambda root: folder(root, idx(packed=True)),
        "dotted": lambda root: folder(root, idx(dotted=True)),
        "both": lambda root: folder(root, idx() | idx(packed=True)),
        "both, different": lambda root: folder(root, idx() | idx(packed=True, pixels=digits().pixels[::-1])),
        "train and test": lambda root: folder(root, idx() | _training()),
        "train alone": lambda root: folder(root, idx("train")),
        "below raw": lambda root: folder(root, {f"MNIST/raw/{name}": x for name, x in (idx() | _training()).items()}),
        "the images' file": _file(idx(), "t10k-images-idx3-ubyte"),
        "the labels' file": _file(idx(), "t10k-labels-idx1-ubyte"),
        "zip": lambda root: zipped(root, idx()),
        "tar.xz": lambda root: tarred(root, idx(packed=True), "set.tar.xz", "w:xz"),
        "emnist": lambda root: folder(root, idx("emnist-digits-test")),
        "emnist, counted from 1": lambda root: folder(root, idx("emnist-letters-test", labels=digits().labels + 1)),
        "two of emnist": lambda root: folder(root, idx("emnist-digits-test") | idx("emnist-mnist-test")),
        "signed": lambda root: folder(root, idx(pixels=digits().pixels.astype(int) - 128, code="i1")),
        "16 bits": lambda root: folder(root, idx(pixels=digits().pixels.astype(int) * 128, code=">i2")),
        "32 bits": lambda root: folder(root, idx(code=">i4")),
        "floats": lambda root: folder(root, idx(pixels=digits().pixels / 255, code=">f4")),
        "floats to 255": lambda root: folder(root, idx(code=">f8")),
        "no labels": lambda root: folder(root, {n: x for n, x in idx().items() if "images" in n}),
        "labels of another part": lambda root: folder(
            root,
            {n: x for n, x in idx().items() if "images" in n} | {n: x for n, x in _training().items() if "labels" in n},
        ),
        "fewer labels": lambda root: folder(root, idx(labels=digits().labels[1:])),
        "labels beyond": lambda root: folder(root, idx(labels=digits().labels + 5)),
        "cut short": lambda root: folder(root, {n: x[:-9] for n, x in idx().items()}),
        "more than it says": lambda root: folder(root, {n: x + b"\0" * 9 for n, x in idx().items()}),
        "little-endian": lambda root: folder(
            root, idx() | {"t10k-images-idx3-ubyte": struct.pack("<4I", 0x0803, 60, 16, 16) + digits().pixels.tobytes()}
        ),
        "pictures beside": lambda root: folder(root, idx() | others("extra/{c}/{n}.png")),
        "npz beside": lambda root: folder(root, idx() | {"set.npz": b"PK"}),
    },
)  # fmt: skip


def table(
    path: Path, names: Sequence[str] = (), key: str = "label", labels: Any = None, image: Any = None, **more: Any
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = [{"bytes": encoded(x), "path": None} for x in digits().pixels] if image is None else image
    columns = {"image": pictures, key: digits().labels if labels is None else labels, **more}
    features = {key: {"names": [*names], "_type": "ClassLabel"}} if names else {}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    parquet.write_table(pa.table(columns).replace_schema_metadata(metadata), path)
    return path


def _other(path: Path, **more: Any) -> Path:
    return table(path, image=[{"bytes": encoded(x), "path": None} for x in digits().pixels[::-1]], **more)


def _several(root: Path, *paths: str, read: str) -> Path:
    for path in paths:
        (table if path == read else _other)(root / "set" / path)
    return root / "set"


PARQUET = inputs(
    "parquet",
    {
        "file": lambda root: table(root / "test.parquet"),
        "with names": lambda root: table(root / "test.parquet", NUMBERS),
        "with words": lambda root: table(root / "test.parquet", WORDS),
        "bytes alone": lambda root: table(root / "test.parquet", image=[encoded(x) for x in digits().pixels]),
        "labels called digit": lambda root: table(root / "test.parquet", key="digit"),
        "labels called class": lambda root: table(root / "test.parquet", key="class"),
        "two columns of integers": lambda root: table(root / "test.parquet", index=np.arange(60)),
        "two columns, none called label": lambda root: table(root / "test.parquet", key="y", x=np.arange(60)),
        "label and fine_label": lambda root: table(root / "test.parquet", fine_label=np.arange(60) % 3),
        "labels as texts": lambda root: table(root / "test.parquet", labels=[NUMBERS[y] for y in digits().labels]),
        "labels as floats": lambda root: table(root / "test.parquet", labels=digits().labels / 1.0),
        "labels from 1": lambda root: table(root / "test.parquet", labels=digits().labels + 1),
        "labels missing": lambda root: table(root / "test.parquet", labels=[None, *digits().labels[1:].tolist()]),
        "a text too": lambda root: table(root / "test.parquet", caption=["x"] * 60),
        "arrays": lambda root: table(root / "test.parquet", image=[x.ravel().tolist() for x in digits().pixels]),
        "paths": lambda root: table(root / "test.parquet", image=[f"{n}.png" for n in range(60)]),
        "train and test": lambda root: _several(
            root, "data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet",
            read="data/test-00000-of-00001.parquet",
        ),
        "train and validation": lambda root: _several(
            root, "train-00000-of-00001.parquet", "validation-00000-of-00001.parquet",
            read="validation-00000-of-00001.parquet",
        ),
        "folders": lambda root: _several(root, "train/0.parquet", "test/0.parquet", read="test/0.parquet"),
        "configurations": lambda root: _several(root, "a/test.parquet", "b/test.parquet", read="a/test.parquet"),
        "one of two": lambda root: table(root / "set" / "test-00000-of-00002.parquet").parent,
        "pictures beside": lambda root: _beside_pictures(root, "assets/{c}/{n}.png"),
        "a logo beside": lambda root: _beside_pictures(root, "assets/logo.png"),
        "metadata beside pictures": lambda root: _metadata(root),
        "zip": lambda root: zipped(root, {"data/test.parquet": table(root / "x.parquet").read_bytes()}),
        "cut short": lambda root: _cut(table(root / "test.parquet")),
    },
)  # fmt: skip


def _cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-200])
    return path


def _beside_pictures(root: Path, place: str) -> Path:
    files = others(place) if "{" in place else {place: encoded(digits().pixels[0])}
    folder(root, files)
    return table(root / "set" / "data" / "test.parquet").parents[1]


def _metadata(root: Path) -> Path:
    made = folder(root, named())
    parquet.write_table(pa.table({"file_name": ["0/0000.png"], "label": [3]}), made / "metadata.parquet")
    return made


def _frame_file(pixels: NDArray[Any], key: str = "frames", steps: int = 4, scale: float = 1 / 255) -> bytes:
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {key: np.repeat(pixels[None, None] * np.float32(scale), steps, 0)}
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _frames(place: str = "{c}/{n}.npz", names: Sequence[str] = NUMBERS, **how: Any) -> Files:
    return named(place, names, partial(_frame_file, **how))


MADE = "frames_number_4_split_by_number"
FRAMES = inputs(
    "frame files",
    {
        "folder": lambda root: folder(root, _frames()),
        "as spikingjelly keeps them": lambda root: folder(
            root, _frames(MADE + "/test/{c}/{n}.npz") | _frames(MADE + "/train/{c}/{n}.npz", scale=0.001)
        ),
        "tar.gz": lambda root: tarred(root, _frames("Digits/{c}/{n}.npz"), "set.tar.gz", "w:gz"),
        "zip": lambda root: zipped(root, _frames()),
        "of two kinds": lambda root: folder(
            root, _frames(MADE + "/{c}/{n}.npz") | _frames("frames_number_8_split_by_time/{c}/{n}.npz", steps=8)
        ),
        "from 1": lambda root: folder(root, _frames(names=tuple(str(n) for n in range(1, CLASSES + 1)))),
        "fewer steps": lambda root: folder(root, _frames(steps=2)),
        "another key": lambda root: folder(root, _frames(key="arr_0")),
        "events": lambda root: folder(root, _frames(key="t")),
        "larger": lambda root: folder(
            root, named("{c}/{n}.npz", NUMBERS, lambda x: _frame_file(np.repeat(np.repeat(x, 2, 0), 2, 1)))
        ),
        "pictures beside": lambda root: folder(root, _frames() | others("{c}/{n}.png")),
        "steps differ": lambda root: folder(root, _frames() | {"3/more.npz": _frame_file(digits().pixels[0], steps=3)}),
        "one damaged": lambda root: folder(root, _frames() | {"3/more.npz": b"PK"}),
    },
)  # fmt: skip


class Pairs:
    """What has samples by index, and nothing of torch's."""

    def __init__(self, samples: Sequence[tuple[Any, Any]]) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self.samples[index]


def python(image: Callable[[NDArray[Any]], Any], label: Callable[[int], Any] = int) -> Callable[[Path], DataSet]:
    def make(_root: Path) -> DataSet:
        pairs = zip(digits().pixels, digits().labels, strict=True)
        return from_dataset(Pairs([(image(pixels), label(int(number))) for pixels, number in pairs]))

    return make


class Changing(Pairs):
    """Pictures that are moved at random, whenever they are read."""

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        pixels, label = self.samples[index]
        return np.roll(pixels, np.random.default_rng().integers(1, 9), 0), label


def _random(_root: Path) -> DataSet:
    return from_dataset(Changing([*zip(digits().pixels, digits().labels.tolist(), strict=True)]))


PYTHON = inputs(
    "python",
    {
        "arrays": python(lambda x: x),
        "pictures": python(Image.fromarray),
        "coloured pictures": python(lambda x: Image.fromarray(x).convert("RGB")),
        "tensors": python(lambda x: torch.from_numpy(x / np.float32(255))[None]),
        "bytes in tensors": python(lambda x: torch.from_numpy(x.copy())),
        "floats of bytes": python(lambda x: torch.from_numpy(x.astype(np.float32))),
        "normalised tensors": python(lambda x: (torch.from_numpy(x / np.float32(255))[None] - 0.3) / 0.35),
        "-1 to 1": python(lambda x: torch.from_numpy(x / np.float32(127.5) - 1)),
        "one-hot labels": python(lambda x: x, lambda y: np.eye(CLASSES)[y]),
        "labels as tensors": python(lambda x: x, torch.tensor),
        "labels as texts": python(lambda x: x, str),
        "labels from 1": python(lambda x: x, lambda y: y + 1),
        "random transforms": _random,
        "TensorDataset": lambda _: from_dataset(
            TensorDataset(torch.from_numpy(digits().pixels / np.float32(255)), torch.from_numpy(digits().labels))
        ),
        "frames": python(lambda x: np.repeat(x[None, None] / np.float32(255), 4, 0)),
        "0 to 16": python(lambda x: np.rint(x / 255 * 16).astype(np.uint8)),
    },
)

ALL = [*IDX, *PARQUET, *FRAMES, *PYTHON]
