"""What a data set is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from primesvt_core.errors import DataError

Kind = Literal["images", "frames"]
Part = Literal["train", "test"]
Decoder = Callable[[], NDArray[Any]]
LARGEST_BYTE = 255


@dataclass(frozen=True, kw_only=True)
class Values:
    """What an array of pixels holds.

    Attributes:
        low: the smallest value.
        high: the largest value.
        are_floats: whether they are floats; integers otherwise.
        are_flags: whether they are truth values, of which the larger is white.
    """

    low: float
    high: float
    are_floats: bool = False
    are_flags: bool = False

    @property
    def fit_bytes(self) -> bool:
        """Whether they are integers that bytes hold."""
        return not self.are_floats and self.low >= 0 and self.high <= LARGEST_BYTE


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """Samples that are decoded on demand, with their labels if they have any.

    Attributes:
        name: for people.
        kind: ``images`` decode to ``(H, W, C)``, ``frames`` to ``(T, C, H, W)``.
        classes: names in the order of the labels.
        labels: ``(N,)`` int64; where there are none, one number for all.
        decode: the sample at an index; raises `DataError` naming the file that cannot be decoded.
        digest: of the content: every sample's name or bytes, and its label.
        notes: sentences for people: what was taken for what, and what was not read.
        values: of all samples of an array; None where the files themselves state what black and white are.
        plain_classes: the classes as plain order finds them in folders, where natural order has found others; else
            empty.
        others: decoders of the samples that lie beside these in the same files: of other parts, or of folders that are
            not read unless classes are named otherwise.
        other_part: the part that is there beside this one and has to be opened by itself.
        is_labelled: whether the labels are any; without them there are no classes either.
        files: names of the samples' files, in their order; empty where they have none of their own.
    """

    name: str
    kind: Kind
    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    decode: Callable[[int], NDArray[Any]]
    digest: Callable[[], str]
    notes: tuple[str, ...] = ()
    values: Values | None = None
    plain_classes: tuple[str, ...] = ()
    others: Callable[[], Iterator[Decoder]] = field(default=lambda: iter(()))
    other_part: Part | None = None
    is_labelled: bool = True
    files: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def _fingerprint(self) -> str:
        labels = hashlib.sha256(np.ascontiguousarray(self.labels, "<i8").tobytes()).hexdigest()
        return hashlib.sha256(f"{self.kind}\n{labels}\n{self.digest()}".encode()).hexdigest()

    def fingerprint(self) -> str:
        """The same for the same samples in the same order, whatever the file is called."""
        return self._fingerprint


def readable(name: str) -> str:
    """A file's name as text that can be written down; one that is no UTF-8 is taken for Latin-1."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return name.encode("utf-8", "surrogateescape").decode("latin-1")
    return name


def refuse(code: str, message: str) -> DataError:
    """A data error with one of the codes ``data_format``, ``data_empty``, ``data_undecodable``, ``data_unsafe``,
    ``data_classes``, ``data_channels``, ``data_too_small``, ``data_unlabelled``.
    """
    return DataError(message, code=code)
