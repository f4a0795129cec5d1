"""Which values are black and white in data sets that are arrays.

Bytes are 0-255 and floats 0-1. Whatever else an array holds could be scaled in several ways, and a wrong one gives a
wrong accuracy without any error: so it is asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from primesvt_core.data._base import LARGEST_BYTE, DataSet, Values, refuse
from primesvt_core.errors import DataError

ROUNDING = 1e-5
"""Share of a range by which arithmetic may have gone beyond it."""

SMALL_PART = 0.75
"""Pictures of a whole set that use less of their range than this share were perhaps scaled by something else."""

MOST_LOOKED_AT = 1000
"""Pictures, spread over a set, that are decoded to find out; as a rule the first ones show that nothing is odd."""

CHUNK = 1024

ValueRange = tuple[float, float]
"""The values of black and of white."""


def values_of(name: str, images: NDArray[Any]) -> Values:
    """The smallest and the largest value of an array, not empty.

    Raises:
        DataError: if some of its values are no numbers.
    """
    low, high = np.inf, -np.inf
    for start in range(0, len(images), CHUNK):
        part = images[start : start + CHUNK]
        low, high = min(low, float(part.min())), max(high, float(part.max()))
        if not np.isfinite([part.min(), part.max()]).all():  # which are NaN if any value is
            raise refuse("data_undecodable", f"images in {name} hold values that are no numbers (NaN or infinity)")
    return Values(low=low, high=high, are_floats=images.dtype.kind == "f", are_flags=images.dtype.kind == "b")


def in_range(data: DataSet, given: ValueRange | None, *, has_statistics: bool = False) -> DataSet:
    """The data set with its pixels as bytes or on the 0-1 scale.

    Args:
        data: as opened.
        given: the values of black and white, if the caller knows them.
        has_statistics: whether the caller gives mean and deviation, which may be those of floats as they are.

    Raises:
        DataError: with the range found, where it is not clear what the values mean or they are not as given.
    """
    values = data.values
    if values is None and data.kind == "images":
        return replace(data, notes=(*data.notes, *_of_pictures(data)))
    if values is None or (data.kind == "frames" and given is None):
        return data
    if given is None:
        _check_clear(data.name, values, has_statistics)
        usual = (0.0, 1.0) if values.are_floats else (0.0, float(LARGEST_BYTE))
        return _noted(data, values, usual)
    if not _lie_in(values, given):
        raise refuse(
            "data_format",
            f"{data.name} has values from {_told(values)}, beyond the value range {given[0]:g}:{given[1]:g} that was"
            " given for black and white",
        )
    return _noted(_mapped(data, values, given), values, given)


def unclear(data: DataSet) -> tuple[str, ...]:
    """What is to be said of a data set's values where nobody has said what they mean: notes, or why it is refused."""
    try:
        return in_range(data, None).notes[len(data.notes) :]
    except DataError as error:
        return (f"{error.message}.",)


def _of_pictures(data: DataSet) -> Iterator[str]:
    """A note where pictures use a small part of the range that their format states, as masks and flags do.

    What cannot be decoded is left to those who need it.
    """
    low, high = LARGEST_BYTE, 0
    looked_at = np.unique(np.linspace(0, len(data) - 1, min(len(data), MOST_LOOKED_AT)).astype(int))
    for index in looked_at:
        with suppress(DataError):
            pixels = data.decode(int(index))
            low, high = min(low, int(pixels.min())), max(high, int(pixels.max()))
        if high - low >= SMALL_PART * LARGEST_BYTE:
            return
    if low > high:  # none could be decoded
        return
    which = "the pictures" if len(looked_at) == len(data) else f"{len(looked_at):,} pictures"
    yield (
        f"Of {data.name}, {which} use a small part of the range 0-{LARGEST_BYTE}: their values go from {low} to {high}."
        " If other values are black and white, scale them, or save all as an .npz, which takes a --value-range."
    )


def _check_clear(name: str, values: Values, has_statistics: bool) -> None:
    """Refuse values that are neither bytes nor floats from 0 to 1."""
    if values.fit_bytes or (values.are_floats and (has_statistics or _lie_in(values, (0.0, 1.0)))):
        return
    what = "floats" if values.are_floats else "integers"
    other = ", or mean and std if they are normalised already" if values.are_floats else ""
    raise refuse(
        "data_format",
        f"{name} has {what} from {_told(values)}; bytes (0-255) and floats from 0 to 1 are understood. Give the values"
        f" of black and white as --value-range LOW:HIGH (value_range of a spec){other}",
    )


def _lie_in(values: Values, given: ValueRange) -> bool:
    slack = ROUNDING * (given[1] - given[0]) if values.are_floats else 0.0
    return given[0] - slack <= values.low and values.high <= given[1] + slack


def _told(values: Values) -> str:
    return f"{values.low:.6g} to {values.high:.6g}"


def _noted(data: DataSet, values: Values, given: ValueRange) -> DataSet:
    """With a note where the whole set uses a small part of its range."""
    if values.are_flags or not _lie_in(values, given) or values.high - values.low >= SMALL_PART * (given[1] - given[0]):
        return data
    note = (
        f"{data.name} uses a small part of the value range {given[0]:g}:{given[1]:g}: its values go from"
        f" {_told(values)}. If other values are black and white, give them as --value-range LOW:HIGH."
    )
    return replace(data, notes=(*data.notes, note))


def _mapped(data: DataSet, values: Values, given: ValueRange) -> DataSet:
    """Pixels on the 0-1 scale; bytes whose range is that of bytes stay as they are."""
    low, high = given
    are_usual = values.fit_bytes and low == 0 and high == LARGEST_BYTE and data.kind == "images"
    if values.are_flags or are_usual:
        return data
    decode, digest = data.decode, data.digest

    def mapped(index: int) -> NDArray[Any]:
        return ((decode(index).astype(np.float64) - low) / (high - low)).astype(np.float32)

    return replace(data, decode=mapped, digest=_digest_of(digest, given))


def _digest_of(digest: Callable[[], str], given: ValueRange) -> Callable[[], str]:
    return lambda: hashlib.sha256(f"{digest()}\nvalue range {given[0]!r}:{given[1]!r}".encode()).hexdigest()
