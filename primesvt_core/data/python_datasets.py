"""Data sets that are Python objects: torch's map-style ``Dataset`` and whatever else gives ``(image, label)`` by index.

They are known by what they do, so that nothing here imports torch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from primesvt_core.data._base import DataSet, Kind, Values, refuse
from primesvt_core.data.formats.arrays import (
    MAX_CLASSES,
    as_bytes,
    beginning_notes,
    channels_last,
    channels_third,
    label_numbers,
)
from primesvt_core.data.pixels.images import pixels_of
from primesvt_core.data.pixels.ranges import values_of
from primesvt_core.data.unlabelled import no_labels, unlabelled_note

FRAMES_DIMENSIONS = 4

BY_NAME = 'give pairs (image, label) instead, as [(sample["image"], sample["label"]) for sample in data] does'


class Samples(Protocol):
    """What is taken for a data set."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any:
        """An image and its label.

        The image is a Pillow image, or an array or tensor ``(H, W)``, ``(C, H, W)`` or ``(H, W, C)``, bytes or floats
        from 0 to 1, or frames ``(T, C, H, W)``; the label a whole number, or a one-hot row.
        """


def from_dataset(dataset: Samples, *, name: str = "", classes: Sequence[str] = (), is_labelled: bool = True) -> DataSet:
    """A data set for `primesvt_core.evaluation.evaluate.evaluate` and `primesvt_core.pipeline.Request`.

    Every sample is read once now, for its label, its digest and the range of its values, and again whenever it is
    needed; never by two threads at once. What its transforms leave is given to the model's own preprocessing: images
    that are normalised already need a mean of 0 and a deviation of 1 as overrides.

    Args:
        dataset: of images and labels, in a fixed order.
        name: for people; the name of its class unless given.
        classes: names of the classes in the order of the labels; their numbers unless given.
        is_labelled: whether it has labels; otherwise it gives images alone.

    Raises:
        DataError: if it is empty, gives something else than images and labels, or another sample of the same index each
            time, as random transforms do.
    """
    name = name or type(dataset).__name__
    read = _Reader(dataset, name, is_labelled)
    count = _length(dataset, name)
    seen = [read.described(index) for index in range(count)]
    if not seen:
        raise refuse("data_empty", f"{name} holds no images")
    kinds, shapes = {one.kind for one in seen}, {one.label.shape for one in seen}
    if len(kinds) > 1 or len(shapes) > 1:
        raise refuse("data_format", f"{name} gives samples of several kinds, or labels of several shapes")
    labels, number = (
        label_numbers(name, np.stack([one.label for one in seen])) if is_labelled else (no_labels(count), 0)
    )
    if number > (len(classes) or MAX_CLASSES):
        raise refuse("data_classes", f"{name} has the label {number - 1}; that is no class")
    kind, values, digests = seen[0].kind, _values(name, [one.values for one in seen]), [one.digest for one in seen]
    fit_bytes = kind == "images" and values.fit_bytes

    def decode(index: int) -> NDArray[Any]:
        sample = read.sample(index)[0]
        if _digest(sample) != digests[index]:
            raise refuse(
                "data_format",
                f"sample {index} of {name} is not the same each time it is read; take the transforms of an evaluation,"
                " which are not random",
            )
        return as_bytes(sample) if fit_bytes else sample

    return DataSet(
        name=name,
        kind=kind,
        classes=(tuple(classes) or tuple(map(str, range(number)))) if is_labelled else (),
        labels=labels,
        decode=decode,
        digest=lambda: hashlib.sha256("\n".join(digests).encode()).hexdigest(),
        notes=beginning_notes(name, labels) if is_labelled else (unlabelled_note(name, count),),
        values=values,
        is_labelled=is_labelled,
    )


@dataclass(frozen=True, kw_only=True)
class _Described:
    """What is kept of a sample."""

    kind: Kind
    label: NDArray[Any]
    digest: str
    values: Values


class _Reader:
    """Reads samples as arrays, one at a time: few data sets are made for several threads."""

    def __init__(self, dataset: Samples, name: str, is_labelled: bool) -> None:
        self.dataset, self.name, self.is_labelled, self._lock = dataset, name, is_labelled, Lock()

    def sample(self, index: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """An image ``(H, W, C)`` or frames ``(T, C, H, W)``, and its label; 0 where there are none."""
        what = f"sample {index} of {self.name}"
        with self._lock:
            found = self.dataset[index]
        if isinstance(found, Mapping):
            raise refuse("data_format", f"{what} has the keys {', '.join(map(str, found))}; {BY_NAME}")
        if not self.is_labelled and not isinstance(found, tuple | list):
            return _pixels(what, found), np.zeros((), np.int64)
        if not isinstance(found, tuple | list) or len(found) != 2:
            raise refuse("data_format", f"{what} is a {_counted(found)}; it should be {self._wanted}")
        return _pixels(what, found[0]), _plain(found[1])

    @property
    def _wanted(self) -> str:
        return "a pair (image, label)" if self.is_labelled else "an image"

    def described(self, index: int) -> _Described:
        """What is kept of a sample."""
        sample, label = self.sample(index)
        return _Described(
            kind="frames" if sample.ndim == FRAMES_DIMENSIONS else "images",
            label=label,
            digest=_digest(sample),
            values=values_of(f"sample {index} of {self.name}", sample[None]),
        )


def _counted(found: object) -> str:
    """What a sample is, and of how many values."""
    return f"{type(found).__name__}{f' of {len(found)}' if isinstance(found, tuple | list) else ''}"


def _length(dataset: Samples, name: str) -> int:
    if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
        raise refuse("data_format", f"{name} has no samples by index; a data set has __len__ and __getitem__")
    return len(dataset)


def _pixels(what: str, found: Any) -> NDArray[Any]:
    if isinstance(found, Image.Image):
        return pixels_of(what, found)
    image = _plain(found)
    if image.dtype.kind not in "buif" or image.ndim not in (2, 3, 4) or not image.size:
        raise refuse(
            "data_format",
            f"{what} is a {type(found).__name__} of {image.dtype}{list(image.shape)}; it should be a Pillow image, or"
            " an array (C, H, W), (H, W, C) or (T, C, H, W)",
        )
    batch = image[None]
    placed = channels_third(batch) if image.ndim == FRAMES_DIMENSIONS else channels_last(what, batch)
    sample: NDArray[Any] = placed[0]
    return sample


def _plain(value: Any) -> NDArray[Any]:
    """An array; of a tensor its values."""
    return np.asarray(value.detach().cpu().numpy() if hasattr(value, "detach") else value)


def _digest(sample: NDArray[Any]) -> str:
    head = f"{sample.dtype.str}{sample.shape}".encode()
    return hashlib.sha256(head + np.ascontiguousarray(sample).tobytes()).hexdigest()


def _values(name: str, of_each: Sequence[Values]) -> Values:
    """The values of all samples.

    Raises:
        DataError: if some are floats and others integers, which are not on the same scale.
    """
    kinds = {(values.are_floats, values.are_flags) for values in of_each}
    if len(kinds) > 1:
        raise refuse("data_format", f"{name} gives floats and integers; give all samples as one of them")
    [(are_floats, are_flags)] = kinds
    low, high = min(values.low for values in of_each), max(values.high for values in of_each)
    return Values(low=low, high=high, are_floats=are_floats, are_flags=are_flags)
