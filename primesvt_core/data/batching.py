"""Samples in batches: decoded lazily, a few batches ahead, by several threads, in the given order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from primesvt_core.data._base import DataSet, refuse
from primesvt_core.data.pixels.preprocessing import Preprocessing

WORKERS = 2
AHEAD = 3
"""Batches that are decoded ahead of the one in use."""


@dataclass(frozen=True)
class Batch:
    """``images`` (B, C, H, W) or (B, T, C, H, W) float32; ``labels`` (B,) int64."""

    images: NDArray[np.float32]
    labels: NDArray[np.int64]


def batches(
    data: DataSet,
    indices: Sequence[int] | NDArray[Any],
    preprocessing: Preprocessing,
    batch_size: int,
    workers: int = WORKERS,
) -> Iterator[Batch]:
    """Batches of the samples at ``indices``, in that order; the last one may be smaller.

    Raises:
        DataError: naming the file that cannot be decoded, or if samples differ in size.
    """
    chunks = iter([indices[start : start + batch_size] for start in range(0, len(indices), batch_size)])
    with ThreadPoolExecutor(workers) as pool:
        pending: deque[Future[Batch]] = deque()
        try:
            for chunk in islice(chunks, AHEAD):
                pending.append(pool.submit(load_batch, data, chunk, preprocessing))
            while pending:
                yield pending.popleft().result()
                for chunk in islice(chunks, 1):
                    pending.append(pool.submit(load_batch, data, chunk, preprocessing))
        finally:
            for future in pending:
                future.cancel()


def load_batch(data: DataSet, indices: Sequence[int] | NDArray[Any], preprocessing: Preprocessing) -> Batch:
    """The samples at ``indices`` as one batch.

    Raises:
        DataError: naming the file that cannot be decoded, or if samples differ in size.
    """
    samples = [preprocessing.apply(data.decode(int(index))) for index in indices]
    shapes = {sample.shape for sample in samples}
    if data.kind == "frames" and len(steps := {shape[0] for shape in shapes}) > 1:
        numbers = " and ".join(map(str, sorted(steps)[:2]))
        raise refuse("data_format", f"{data.name} has samples of {numbers} time steps; give frames of a fixed number")
    if len({shape[-3] for shape in shapes}) > 1:
        raise refuse("data_channels", f"{data.name} has grey and coloured samples, which no model takes together")
    if len(shapes) > 1:
        sizes = " and ".join(str(list(shape)) for shape in sorted(shapes)[:2])
        raise refuse("data_format", f"{data.name} has samples of different sizes ({sizes}); give a resize and a crop")
    return Batch(np.ascontiguousarray(np.stack(samples), np.float32), data.labels[np.asarray(indices)])
