"""Small data sets in every format that users have."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from primesvt_core.data import DataSet, open_data
from primesvt_core.errors import DataError

CLASSES = ("cat", "dog", "eel")
LABELS = np.array([0, 0, 1, 1, 2, 2], np.int64)
IMAGES = np.random.default_rng(0).integers(0, 256, (6, 8, 10, 3), np.uint8)


def refused(path: Path, code: str, named: str) -> None:
    with pytest.raises(DataError) as refusal:
        samples(open_data(path))
    assert refusal.value.error_code == code
    assert named in refusal.value.message


def samples(data: DataSet) -> NDArray[np.generic]:
    return np.stack([data.decode(index) for index in range(len(data))])


def folder(root: Path, below: str = "") -> Path:
    for number, (image, label) in enumerate(zip(IMAGES, LABELS, strict=True)):
        path = root / "set" / below / CLASSES[label] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return root / "set"


def zipped(root: Path) -> Path:
    path = root / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder(root).rglob("*.png")):
            archive.write(file, "top/" + file.relative_to(root / "set").as_posix())
    return path


def tarred(mode: str, name: str) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        path = root / name
        with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
            archive.add(folder(root), "top")
        return path

    return make


def npz(images: NDArray[np.generic]) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        np.savez(root / "set.npz", images=images, labels=LABELS)
        return root / "set.npz"

    return make


def idx(root: Path, prefix: str = "t10k", *, packed: bool = True) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    ending, opener = (".gz", gzip.open) if packed else ("", open)
    grey = IMAGES[..., 0]
    for name, array in (("images-idx3", grey), ("labels-idx1", LABELS.astype(np.uint8))):
        with opener(root / f"{prefix}-{name}-ubyte{ending}", "wb") as file:
            file.write(struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape))
            file.write(array.tobytes())
    return root


class Python2Pickler(pickle._Pickler):
    """Writes bytes as Python 2 wrote its strings, which is what the published archive holds."""

    def save_string(self, text: bytes) -> None:
        self.write(pickle.BINSTRING + struct.pack("<i", len(text)) + text)  # type: ignore[attr-defined]

    dispatch: ClassVar[Any] = {**pickle._Pickler.dispatch, bytes: save_string}


def as_python2(content: object) -> bytes:
    buffer = io.BytesIO()
    Python2Pickler(buffer, protocol=2).dump(content)
    return buffer.getvalue()


def cifar(
    root: Path,
    dumps: Callable[[object], bytes] = as_python2,
    batch: object = None,
    meta: object = None,
    **changes: object,
) -> Path:
    flat = IMAGES[:, :8, :8]
    pixels = np.zeros((6, 3, 32, 32), np.uint8)
    pixels[:, :, :8, :8] = flat.transpose(0, 3, 1, 2)
    usual: dict[Any, object] = {b"data": pixels.reshape(6, 3072), b"labels": LABELS.tolist()} | changes
    batch = batch or usual
    contents: dict[str, object] = {
        "test_batch": batch,
        "data_batch_1": batch,
        "batches.meta": meta or {"label_names": [*CLASSES]},
    }
    path = root / "cifar.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in contents.items():
            raw = dumps(content)
            entry = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            entry.size = len(raw)
            archive.addfile(entry, io.BytesIO(raw))
    return path
