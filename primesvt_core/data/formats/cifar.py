"""CIFAR-10 and CIFAR-100's python files. Their pickles are read as data: nothing of them is run."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from primesvt_core.checkpoints.limits import Limits
from primesvt_core.checkpoints.pickles import Pairs, read_pickle
from primesvt_core.data._base import DataSet, Part, refuse
from primesvt_core.data.formats.arrays import array_set, channels_last, label_numbers, some
from primesvt_core.data.formats.pickled_arrays import array_of, as_bytes
from primesvt_core.errors import CheckpointRefused

FILES = ({"batches.meta", "test_batch"}, {"batches.meta", "data_batch_1"}, {"meta", "test"}, {"meta", "train"})
"""Names of files, any of these pairs of which is the python version of CIFAR."""

BATCHES: dict[Part, re.Pattern[str]] = {
    "test": re.compile(r"test_batch|test"),
    "train": re.compile(r"data_batch_[0-9]+|train"),
}
META = ("batches.meta", "meta")
LARGEST_PICKLE = 256 << 20
COLOURS = 3
LABELS = ("labels", "fine_labels")
NAMES = ("label_names", "fine_label_names")
KNOWN = {"data", *LABELS, "coarse_labels", "filenames", "batch_label"}
"""What a published batch holds; of CIFAR-100's labels the fine ones are read."""


def is_cifar(names: set[str]) -> bool:
    """Whether files of these names are the python version of CIFAR."""
    return any(files <= names for files in FILES)


def from_cifar(name: str, files: Iterable[tuple[str, IO[bytes]]], part: Part | None) -> DataSet:
    """The images and labels of one part, test unless asked otherwise, and the names of the classes.

    Args:
        name: of the data set.
        files: names and contents; what is no batch of the part is not read.
        part: which batches.

    Raises:
        DataError: naming the file that is no batch, or holds something else than its labels say.
    """
    wanted, batches, classes = part or "test", dict[str, dict[str, Any]](), list[str]()
    for file, source in files:
        stem = PurePosixPath(file).name
        if stem in META:
            classes = _class_names(file, _content(file, source))
        elif BATCHES[wanted].fullmatch(stem):
            if stem in batches:
                raise refuse("data_format", f"{name} holds two files {stem}; give the folder or archive of one CIFAR")
            batches[stem] = _content(file, source)
    if not batches:
        raise refuse("data_format", f"{name} holds no CIFAR {wanted} batches")
    read = [_batch(stem, content) for stem, content in batches.items()]
    unread = sorted({key for content in batches.values() for key in content} - KNOWN)
    notes = (f"{name} also holds {some(unread)}, which is not read.",) if unread else ()
    images, labels = (np.concatenate(parts) for parts in zip(*read, strict=True))
    return array_set(name, images, labels, "images", classes, notes)


def _content(name: str, source: IO[bytes]) -> dict[str, Any]:
    try:
        root = read_pickle(source, Limits(pickle_bytes=LARGEST_PICKLE))
    except CheckpointRefused as error:
        raise refuse("data_unsafe", f"{name}: {error.message}") from None
    if not isinstance(root, Pairs):
        raise refuse("data_format", f"{name} is no CIFAR batch")
    named = {as_bytes(key): value for key, value in root.items if isinstance(as_bytes(key), bytes)}
    return {key.decode("latin1"): value for key, value in named.items()}


def _class_names(name: str, meta: dict[str, Any]) -> list[str]:
    found: Any = next((meta[key] for key in NAMES if key in meta), [])
    if not isinstance(found, list | tuple):
        raise refuse("data_format", f"{name} is no description of CIFAR's classes")
    return [_text(name, as_bytes(label)) for label in found]


def _text(name: str, label: Any) -> str:
    if not isinstance(label, bytes):
        raise refuse("data_format", f"{name} is no description of CIFAR's classes")
    try:
        return label.decode()
    except UnicodeDecodeError:
        return label.decode("latin1")


def _batch(name: str, content: dict[str, Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The images ``(N, H, W, C)`` and labels ``(N,)`` of one file."""
    images = _images(name, array_of(content.get("data")))
    found = array_of(next((content[key] for key in LABELS if key in content), None))
    if found is None or not found.size:
        raise refuse("data_format", f"{name} is no CIFAR batch: its labels are no list of small numbers")
    labels, _ = label_numbers(name, found)
    if len(labels) != len(images):
        raise refuse("data_format", f"{name} has {len(images)} images but {len(labels)} labels")
    return images, labels


def _images(name: str, found: NDArray[Any] | None) -> NDArray[Any]:
    """``(N, 3 * side * side)``, colour after colour as published, or as pictures, as ``(N, H, W, C)``."""
    if found is not None and found.ndim == 4:
        return channels_last(name, found)
    side = math.isqrt(found.shape[1] // COLOURS) if found is not None and found.ndim == 2 else 0
    if found is None or not side or COLOURS * side * side != found.shape[1]:
        what = "none" if found is None else f"{found.dtype}{list(found.shape)}"
        raise refuse("data_format", f"{name} is no CIFAR batch: its images are not 3,072 bytes each, but {what}")
    return found.reshape(-1, COLOURS, side, side).transpose(0, 2, 3, 1)
