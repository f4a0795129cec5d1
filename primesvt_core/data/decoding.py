"""Decodes everything that a data set may ever have decoded, once, where that can do no harm."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from primesvt_core.data._base import DataSet, Decoder
from primesvt_core.data.opening import open_data
from primesvt_core.errors import DataError

Count = Callable[[int, int], None]
"""Told how many samples are decoded, and of how many."""


def ignore_count(_done: int, _of: int) -> None:
    """Nobody wants to know."""


def decode_all(path: Path, data: DataSet, count: Count = ignore_count) -> tuple[str, ...]:
    """Decode every sample of a file's data set, and those of other parts and folders that a spec may choose.

    Whoever opens the file later then decodes nothing that was not decoded here.

    Args:
        path: of the data set.
        data: as `open_data` gives it.
        count: called after every sample.

    Returns:
        Notes on samples that are not read as things are, and cannot be decoded.

    Raises:
        DataError: one of the samples cannot be decoded; names it.
        ScratchFull: there is no room for what it unpacks to.
    """
    if data.values is None:  # files; arrays are in memory already
        for index in range(len(data)):
            data.decode(index)
            count(index + 1, len(data))
    wrong: list[str] = []
    for done, decode in enumerate(_others(path, data.others(), data.other_part is not None), start=len(data) + 1):
        try:
            decode()
        except DataError as error:
            wrong.append(error.message)
        count(done, done)
    if not wrong:
        return ()
    return (f"Of the samples of {data.name} that are not read, {len(wrong)} cannot be decoded; the first: {wrong[0]}.",)


def _others(path: Path, beside: Iterator[Decoder], has_training: bool) -> Iterator[Decoder]:
    yield from beside
    if has_training:
        data = open_data(path, "train", may_lack_labels=True)
        for index in range(len(data)):
            yield lambda index=index: data.decode(index)  # type: ignore[misc]
