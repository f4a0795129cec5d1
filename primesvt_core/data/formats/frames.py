"""Event data as spikingjelly writes it: one ``.npz`` with the frames of each sample, in class folders.

spikingjelly keeps the frames of a data set beside its events and downloads, in a folder that says how they were made:
``frames_number_16_split_by_number/train/3/user01.npz``. Source: ``spikingjelly/datasets/__init__.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from primesvt_core.data._base import refuse
from primesvt_core.data.files.carried import is_hidden
from primesvt_core.data.files.sample_files import SampleFiles
from primesvt_core.data.formats.array_files import ArrayFile
from primesvt_core.data.formats.arrays import channels_third, some
from primesvt_core.errors import DataError

SUFFIX = ".npz"
FRAMES = "frames"
EVENTS = {"t", "x", "y", "p"}
DIMENSIONS = 4
MADE = re.compile(r"frames_number_\d+_split_by_\w+|duration_\d+")
"""Names of the folders that spikingjelly makes frames in, of a fixed number or of a fixed duration."""

_Contents = Literal["frames", "events", "other"]
"""What one file holds: the frames of one sample, its events, or something else, such as a data set."""


def is_sample(name: str) -> bool:
    """Whether a file is named like a sample of frames that people see."""
    return name.lower().endswith(SUFFIX) and not is_hidden(name)


def is_held_by(name: str, files: Iterable[ArrayFile]) -> bool:
    """Whether a folder or archive holds frames, one file a sample; the first file of every folder tells.

    Args:
        name: of the folder or archive.
        files: its files with arrays, of which no more are opened than are needed.

    Raises:
        DataError: it holds events without frames.
    """
    seen: dict[PurePosixPath, _Contents] = {}
    for file in files:
        folder = PurePosixPath(file.name).parent
        if folder not in seen:
            seen[folder] = _contents_of(file)
        if seen[folder] == "frames":
            return True
    if set(seen.values()) == {"events"}:
        raise refuse(
            "data_format",
            f"{name} holds events (t, x, y, p), not frames: integrate them, for instance by spikingjelly, with as many"
            " frames as the model has time steps, and give the folder that it writes",
        )
    return False


def _contents_of(file: ArrayFile) -> _Contents:
    try:
        names = set(file.names())
    except DataError:
        return "other"
    if FRAMES in names and not any(re.search("label|target|^y$", name) for name in names):
        return "frames"
    return "events" if names >= EVENTS else "other"


def select(name: str, files: Iterable[str]) -> list[str]:
    """The files with frames, of all below the root of a folder or an archive.

    Args:
        name: of the folder or archive.
        files: names with slashes, from its root.

    Raises:
        DataError: if there are frames of several kinds.
    """
    samples = [file for file in files if is_sample(file)]
    made = {file: _maker(file) for file in samples}
    roots = sorted({root for root in made.values() if root})
    if len(roots) > 1:
        raise refuse("data_format", f"{name} holds frames of several kinds ({some(roots)}); give the folder of one")
    return [file for file in samples if made[file] in roots] if roots else samples


def _maker(file: str) -> str:
    """The folder that says how the frames were made, with those above it; empty if none does."""
    parts = PurePosixPath(file).parts[:-1]
    depth = next((depth for depth, part in enumerate(parts) if MADE.fullmatch(part)), None)
    return "" if depth is None else "/".join(parts[: depth + 1])


def decode_frames(name: str, content: bytes) -> NDArray[Any]:
    """The frames ``(T, C, H, W)`` of one sample.

    Raises:
        DataError: naming the file.
    """
    file = ArrayFile(name, content)
    if FRAMES not in file.names():
        raise refuse("data_format", f"{name} has no array {FRAMES!r} as the other samples have; remove or replace it")
    found = file.read(FRAMES)
    if found.ndim != DIMENSIONS or found.dtype.kind not in "buif" or not found.size:
        raise refuse(
            "data_format",
            f"the frames of {name} are {found.dtype}{list(found.shape)}; they should be numbers (T, C, H, W)",
        )
    if found.dtype.kind == "f" and not np.isfinite(found).all():
        raise refuse("data_undecodable", f"the frames of {name} hold values that are no numbers (NaN or infinity)")
    frames: NDArray[Any] = channels_third(found[None])[0]
    return frames


FRAME_FILES = SampleFiles(
    kind="frames",
    suffixes=frozenset({SUFFIX}),
    select=select,
    decode=decode_frames,
    expected="one folder a class with .npz files that hold frames",
    rule="plain",  # spikingjelly's data sets are torchvision's DatasetFolder
)
