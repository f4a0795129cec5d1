"""Data sets over arrays in memory: where their channels are, which classes their labels name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from primesvt_core.data._base import LARGEST_BYTE, DataSet, Kind, refuse
from primesvt_core.data.pixels.ranges import values_of
from primesvt_core.data.unlabelled import no_labels, unlabelled_note

MAX_CLASSES = 100_000
"""A label beyond is a mistake; every class below the largest label gets a name."""

COLOURS = (1, 3)
MOST_CHANNELS = 4
SAMPLE_DIMENSIONS = {"images": 3, "frames": 4}
SHOWN = 5
LONGEST = 60
"""Names that a message shows, and characters of each."""


def some(names: Iterable[str]) -> str:
    """The first of many names, for a message, each as far as it can be read."""
    given = [name if len(name) <= LONGEST else f"{name[:LONGEST]}..." for name in names]
    more = f" and {len(given) - SHOWN} more" if len(given) > SHOWN else ""
    return ", ".join(islice(given, SHOWN)) + more


def channels_last(name: str, images: NDArray[np.generic]) -> NDArray[np.generic]:
    """Images ``(N, H, W)``, ``(N, C, H, W)`` or ``(N, H, W, C)`` as ``(N, H, W, C)``.

    Raises:
        DataError: if they have other dimensions.
    """
    if images.ndim == 3:
        return images[..., None]
    if images.ndim != 4:
        raise refuse("data_format", f"images in {name} have {images.ndim} dimensions; 3, 4 or 5 are understood")
    are_last = images.shape[3] in COLOURS and images.shape[1] not in COLOURS
    are_last = are_last or images.shape[3] <= MOST_CHANNELS < images.shape[1]  # RGBA, which is refused by that name
    return images if are_last else images.transpose(0, 2, 3, 1)


def channels_third(frames: NDArray[np.generic]) -> NDArray[np.generic]:
    """Frames ``(N, T, C, H, W)`` or ``(N, T, H, W, C)`` as ``(N, T, C, H, W)``."""
    are_last = frames.shape[4] <= MOST_CHANNELS < frames.shape[2]
    return frames.transpose(0, 1, 4, 2, 3) if are_last else frames


def labelled_set(
    name: str,
    images: NDArray[np.generic],
    labels: NDArray[np.generic],
    classes: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> DataSet:
    """A data set over images, or over frames if they have five dimensions, wherever their channels are.

    Raises:
        DataError: if the arrays are empty or do not fit each other.
    """
    if images.ndim == 5:
        return array_set(name, channels_third(images), labels, "frames", classes, notes)
    return array_set(name, channels_last(name, images), labels, "images", classes, notes)


def unlabelled_set(name: str, images: NDArray[np.generic], notes: Sequence[str] = ()) -> DataSet:
    """A data set over images or frames without labels, wherever their channels are.

    Raises:
        DataError: if the array is empty or holds something else.
    """
    is_frames = images.ndim == 5
    placed = channels_third(images) if is_frames else channels_last(name, images)
    found = array_set(name, placed, no_labels(len(images)), "frames" if is_frames else "images", notes=notes)
    told = (*found.notes, unlabelled_note(name, len(images)))
    return replace(found, classes=(), is_labelled=False, notes=told)


def array_set(
    name: str,
    images: NDArray[np.generic],
    labels: NDArray[np.generic],
    kind: Kind,
    classes: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> DataSet:
    """A data set over arrays in memory.

    Args:
        name: for people.
        images: ``(N, H, W, C)``, or frames ``(N, T, C, H, W)``.
        labels: one number an image, as ``(N,)`` or ``(N, 1)``, or one-hot rows ``(N, classes)``.
        kind: which of both.
        classes: names of the classes; their numbers unless given.
        notes: what people should know of it.

    Raises:
        DataError: if the arrays are empty or do not fit each other.
    """
    _check_images(name, images, kind)
    numbers, count = label_numbers(name, labels)
    if len(images) != len(numbers):
        is_time_first = kind == "frames" and images.shape[1] == len(numbers)
        order = "; samples should come first, (N, T, C, H, W)" if is_time_first else ""
        raise refuse("data_format", f"{name} has {len(images)} images but {len(numbers)} labels{order}")
    if not len(numbers):
        raise refuse("data_empty", f"{name} holds no images")
    if count > (len(classes) or MAX_CLASSES):
        raise refuse("data_classes", f"{name} has the label {count - 1}; that is no class")
    values = values_of(name, images)
    pixels = as_bytes(images) if kind == "images" and values.fit_bytes else images
    return DataSet(
        name=name,
        kind=kind,
        classes=tuple(classes) or tuple(str(label) for label in range(count)),
        labels=numbers,
        decode=lambda index: pixels[index],
        digest=lambda: hashlib.sha256(np.ascontiguousarray(pixels).data).hexdigest(),
        notes=(*notes, *beginning_notes(name, numbers)),
        values=values,
    )


def _check_images(name: str, images: NDArray[np.generic], kind: Kind) -> None:
    if images.dtype.kind not in "buif":
        raise refuse("data_format", f"images in {name} are {images.dtype}; they should be bytes or floats")
    if images.ndim != 1 + SAMPLE_DIMENSIONS[kind] or 0 in images.shape[1:]:
        raise refuse("data_format", f"images in {name} have the shape {list(images.shape)}; that is no set of {kind}")


def as_bytes(images: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Pixels that somebody saved as wider integers, or as black or white."""
    if images.dtype.kind == "b":
        return images.astype(np.uint8) * np.uint8(LARGEST_BYTE)
    return images.astype(np.uint8, copy=False)


def label_numbers(name: str, labels: NDArray[np.generic]) -> tuple[NDArray[np.int64], int]:
    """The labels as integers ``(N,)``, and the number of classes that they tell of.

    Args:
        name: of the data set.
        labels: whole numbers ``(N,)`` or ``(N, 1)``, whatever their dtype, or one-hot rows ``(N, classes)``.

    Raises:
        DataError: if they are something else.
    """
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2 and _is_one_hot(labels):
        return labels.argmax(1).astype(np.int64), labels.shape[1]
    if labels.ndim != 1 or not _are_whole(labels):
        raise refuse(
            "data_format",
            f"labels in {name} are {labels.dtype}{list(labels.shape)}; they should be integers (N,), or rows"
            " (N, classes) with a single 1",
        )
    low, high = (int(labels.min()), int(labels.max())) if len(labels) else (0, -1)
    if low < 0:
        raise refuse("data_classes", f"{name} has the negative label {low}")
    if high >= MAX_CLASSES:
        raise refuse("data_classes", f"{name} has the label {high}; that is no class")
    return labels.astype(np.int64), high + 1


def beginning_notes(name: str, numbers: NDArray[np.int64]) -> tuple[str, ...]:
    """A note where labels that are numbers do not begin with 0, as those do that were counted from 1.

    Args:
        name: of the data set.
        numbers: ``(N,)``, at least one.
    """
    low, high = int(numbers.min()), int(numbers.max())
    if not low:
        return ()
    return (
        f"No label of {name} is 0: they go from {low} to {high}, and were taken as numbers of classes from 0 on. If"
        f" they are counted from {low}, subtract {low}.",
    )


def _is_one_hot(labels: NDArray[np.generic]) -> bool:
    if labels.dtype.kind not in "buif" or not labels.size:
        return False
    hot = labels == np.ones((), labels.dtype)
    return bool(((labels == np.zeros((), labels.dtype)) | hot).all() and (hot.sum(1) == 1).all())


def _are_whole(labels: NDArray[np.generic]) -> bool:
    if labels.dtype.kind == "f":
        return bool((np.isfinite(labels) & (np.trunc(labels) == labels)).all())
    return labels.dtype.kind in "bui"
