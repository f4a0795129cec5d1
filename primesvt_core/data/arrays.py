"""Data sets that are arrays: ``.npz``, the MNIST family's IDX files, CIFAR's python archive."""

from __future__ import annotations

import gzip
import hashlib
import struct
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from tokenize import TokenError
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from primesvt_core.checkpoints.limits import Limits
from primesvt_core.checkpoints.pickles import Call, Pairs, read_pickle
from primesvt_core.data._base import DataSet, Kind, Part, refuse
from primesvt_core.data.archives import check_growth
from primesvt_core.data.carried import is_idx
from primesvt_core.errors import CheckpointRefused

MAX_ARRAY_BYTES = 16 << 30
MAX_CLASSES = 100_000
"""A label beyond is a mistake; every class below the largest label gets a name."""

IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
IDX_CHUNK = 1 << 20
IDX_DIMENSIONS = 4
COLOURS = (1, 3)
MOST_CHANNELS = 4
CHUNK = 1024
SAMPLE_DIMENSIONS = {"images": 3, "frames": 4}
CIFAR_PARTS: dict[Part, tuple[str, ...]] = {"test": ("test_batch", "test"), "train": ("data_batch_", "train")}
LARGEST_BYTE = 255
CIFAR_META = ("batches.meta", "meta")


def from_npz(path: Path) -> DataSet:
    """``images`` (N,H,W), (N,C,H,W), (N,H,W,C) or frames (N,T,C,H,W), and ``labels`` (N,)."""
    images, labels = _npz_array(path, "images"), _npz_array(path, "labels")
    if images.ndim == 5:
        return array_set(path.name, images, labels, "frames")
    return array_set(path.name, _channels_last(path.name, images), labels, "images")


def _npz_array(path: Path, name: str) -> NDArray[Any]:
    """One array of the file; what it declares is checked before anything of that size is allocated."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as member:
            version = npy.read_magic(member)
            read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, _, dtype = read_header(member)
            unpacked = archive.getinfo(f"{name}.npy").file_size
        size = int(np.prod(shape, dtype=object)) * dtype.itemsize
        if dtype.hasobject or size > MAX_ARRAY_BYTES:
            raise refuse("data_unsafe", f"{name} in {path.name} declares {dtype}{list(shape)}; that is not accepted")
        if size > unpacked:
            raise refuse("data_undecodable", f"{name} in {path.name} is cut short: {unpacked:,} of {size:,} bytes")
        check_growth(path.name, size, path.stat().st_size)
        with np.load(path, allow_pickle=False) as arrays:
            found: NDArray[Any] = arrays[name]
            return found
    except KeyError:
        raise refuse("data_format", f"{path.name} has no array {name!r}; it needs 'images' and 'labels'") from None
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError, TokenError) as error:
        raise refuse("data_undecodable", f"{name} in {path.name} cannot be read ({error})") from None


def _channels_last(name: str, images: NDArray[Any]) -> NDArray[Any]:
    if images.ndim == 3:
        return images[..., None]
    if images.ndim != 4:
        raise refuse("data_format", f"images in {name} have {images.ndim} dimensions; 3, 4 or 5 are understood")
    are_last = images.shape[3] in COLOURS and images.shape[1] not in COLOURS
    are_last = are_last or images.shape[3] <= MOST_CHANNELS < images.shape[1]  # RGBA, which is refused by that name
    return images if are_last else images.transpose(0, 2, 3, 1)


def array_set(
    name: str, images: NDArray[Any], labels: NDArray[Any], kind: Kind, classes: Sequence[str] = ()
) -> DataSet:
    """A data set over arrays in memory.

    Raises:
        DataError: if the arrays are empty or do not fit each other.
    """
    _check_images(name, images, kind)
    if kind == "images" and images.dtype.kind in "iu":
        images = _as_bytes(name, images)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise refuse("data_format", f"labels in {name} are {labels.dtype}{list(labels.shape)}, should be integers (N,)")
    if len(images) != len(labels):
        raise refuse("data_format", f"{name} has {len(images)} images but {len(labels)} labels")
    if not len(labels):
        raise refuse("data_empty", f"{name} holds no images")
    if int(labels.min()) < 0:
        raise refuse("data_classes", f"{name} has the negative label {int(labels.min())}")
    if int(labels.max()) >= (len(classes) or MAX_CLASSES):
        raise refuse("data_classes", f"{name} has the label {int(labels.max())}; that is no class")
    numbers = labels.astype(np.int64)
    named = tuple(classes) or tuple(str(label) for label in range(int(numbers.max()) + 1))
    return DataSet(
        name=name,
        kind=kind,
        classes=named,
        labels=numbers,
        decode=lambda index: images[index],
        digest=lambda: hashlib.sha256(np.ascontiguousarray(images).data).hexdigest(),
    )


def _check_images(name: str, images: NDArray[Any], kind: Kind) -> None:
    if images.dtype.kind not in "uif":
        raise refuse("data_format", f"images in {name} are {images.dtype}; they should be bytes or floats")
    if images.ndim != 1 + SAMPLE_DIMENSIONS[kind] or 0 in images.shape[1:]:
        raise refuse("data_format", f"images in {name} have the shape {list(images.shape)}; that is no set of {kind}")
    if images.dtype.kind == "f" and not all(
        np.isfinite(images[start : start + CHUNK]).all() for start in range(0, len(images), CHUNK)
    ):
        raise refuse("data_undecodable", f"images in {name} hold values that are no numbers (NaN or infinity)")


def _as_bytes(name: str, images: NDArray[Any]) -> NDArray[np.uint8]:
    """Pixels that somebody saved as wider integers; what is no byte would be scaled wrongly, and nobody would know."""
    if images.dtype == np.uint8 or not images.size:
        return images
    low, high = int(images.min()), int(images.max())
    if low < 0 or high > LARGEST_BYTE:
        raise refuse("data_format", f"images in {name} are integers from {low} to {high}; give bytes (0-255) or floats")
    return images.astype(np.uint8)


def from_idx(path: Path, part: Part | None) -> DataSet:
    """A folder with the MNIST family's files, or one of its files with the other beside it."""
    images = _idx_images(path, part) if path.is_dir() else path.with_name(path.name.replace("labels", "images"))
    images = images.with_name(images.name.replace("idx1", "idx3"))
    labels = images.with_name(images.name.replace("images", "labels").replace("idx3", "idx1"))
    for file in (images, labels):
        if not file.exists():
            raise refuse("data_format", f"{file.name} is missing beside {path.name}; images and labels belong together")
    pixels = _idx(images)
    if pixels.ndim not in (3, 4):
        raise refuse("data_format", f"{images.name} has {pixels.ndim} dimensions; pictures have 3 or 4")
    return array_set(images.name, _channels_last(images.name, pixels), _idx(labels), "images")


def _idx_images(folder: Path, part: Part | None) -> Path:
    """The images file of the part that is wanted; of a folder that has the other part alone, that one."""
    files = sorted(file for file in folder.iterdir() if is_idx(file.name) and "idx3" in file.name)
    found = [file for file in files if file.suffix != ".gz" or file.with_suffix("") not in files]
    training = [file for file in found if "train" in file.name]
    others = [file for file in found if file not in training]
    wanted = (training or others) if part == "train" else (others or training)
    if len(wanted) != 1:
        names = ", ".join(file.name for file in wanted) or "none"
        raise refuse("data_format", f"{folder.name} should hold one IDX file with images of a part; there are: {names}")
    return wanted[0]


def _idx(path: Path) -> NDArray[Any]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            zero, code, dimensions = struct.unpack(">HBB", file.read(4))
            if zero or code not in IDX_TYPES or not 1 <= dimensions <= IDX_DIMENSIONS:
                raise refuse("data_format", f"{path.name} is no IDX file")
            shape = struct.unpack(f">{dimensions}I", file.read(4 * dimensions))
            dtype = np.dtype(IDX_TYPES[code])
            size = int(np.prod(shape, dtype=object)) * dtype.itemsize
            if size > MAX_ARRAY_BYTES:
                raise refuse("data_unsafe", f"{path.name} declares {size:,} bytes, more than is accepted")
            check_growth(path.name, size, path.stat().st_size)
            content = _exactly(file, size)
    except (OSError, EOFError, struct.error, zlib.error) as error:
        raise refuse("data_undecodable", f"{path.name} cannot be read ({error}); it may be cut short") from None
    if len(content) != size:
        raise refuse("data_undecodable", f"{path.name} is cut short: {len(content):,} of {size:,} bytes")
    return np.frombuffer(content, dtype).reshape(shape)


def _exactly(file: gzip.GzipFile | IO[bytes], size: int) -> bytes:
    """Up to ``size`` bytes, grown as they come: what a file declares is not allocated before it is there."""
    content = bytearray()
    while len(content) < size and (chunk := file.read(min(IDX_CHUNK, size - len(content)))):
        content += chunk
    return bytes(content)


def from_cifar(name: str, batches: Iterable[tuple[str, IO[bytes]]], part: Part | None) -> DataSet:
    """CIFAR-10 or CIFAR-100's python files. Their pickles are read as data: nothing of them is run."""
    images: list[NDArray[np.uint8]] = []
    labels: list[NDArray[np.int64]] = []
    classes: list[str] = []
    for file, source in batches:
        stem = PurePosixPath(file).name
        if stem in CIFAR_META:
            classes = _cifar_classes(file, _cifar_batch(file, source))
        elif stem.startswith(CIFAR_PARTS[part or "test"]):
            content = _cifar_batch(file, source)
            images.append(_cifar_images(file, content.get("data")))
            labels.append(_cifar_labels(file, content.get("labels", content.get("fine_labels"))))
    if not images:
        raise refuse("data_format", f"{name} holds no CIFAR {part or 'test'} batches")
    return array_set(name, np.concatenate(images), np.concatenate(labels), "images", classes)


def _cifar_classes(name: str, meta: dict[str, Any]) -> list[str]:
    found = meta.get("label_names", meta.get("fine_label_names", []))
    if not isinstance(found, list):
        raise refuse("data_format", f"{name} is no description of CIFAR's classes")
    return [str(label) for label in found]


def _cifar_labels(name: str, found: Any) -> NDArray[np.int64]:  # whatever the pickle holds
    if not isinstance(found, list) or not all(isinstance(x, int) and 0 <= x < MAX_CLASSES for x in found):
        raise refuse("data_format", f"{name} is no CIFAR batch: its labels are no list of small numbers")
    return np.array(found, np.int64)


def _cifar_batch(name: str, source: IO[bytes]) -> dict[str, Any]:
    try:
        root = read_pickle(source, Limits(pickle_bytes=256 << 20))
    except CheckpointRefused as error:
        raise refuse("data_unsafe", f"{name}: {error.message}") from None
    if not isinstance(root, Pairs):
        raise refuse("data_format", f"{name} is no CIFAR batch")
    named = {_plain(key): value for key, value in root.items if isinstance(_plain(key), bytes)}
    return {key.decode("latin1"): value for key, value in named.items()}


def _plain(value: Any) -> Any:
    """Bytes, however a pickle writes them: Python 2 as strings, Python 3 for Python 2 as strings to be encoded."""
    if isinstance(value, Call) and value.name.name == "encode" and value.args:
        value = value.args[0]
    return value.encode("latin1") if isinstance(value, str) else value


def _cifar_images(name: str, data: Any) -> NDArray[np.uint8]:  # whatever the pickle holds
    """``(N, 3072)`` bytes as ``(N, 32, 32, 3)``."""
    content = (
        data.state[4] if isinstance(data, Call) and isinstance(data.state, tuple) and len(data.state) == 5 else None
    )
    raw = _plain(content)
    if not isinstance(raw, bytes) or len(raw) % 3072:
        raise refuse("data_format", f"{name} is no CIFAR batch: its images are not 3,072 bytes each")
    return np.frombuffer(raw, np.uint8).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
