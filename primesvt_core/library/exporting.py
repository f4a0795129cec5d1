"""Writing models for other software, from Python."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from pydantic import JsonValue

from primesvt_core import exporting
from primesvt_core.evaluation.splits import SplitName
from primesvt_core.exporting import CheckData, ExportRequest
from primesvt_core.library.asking import reading
from primesvt_core.library.options import ReadingOptions
from primesvt_core.library.sources import opened

if TYPE_CHECKING:
    from primesvt_core.exporters._reporting import ExportReport
    from primesvt_core.library.sources import Data


def export(
    model: str | Path,
    out: str | Path,
    *,
    to: str = "onnx",
    original: str | Path | None = None,
    data: Data | None = None,
    split: SplitName = "auto",
    images: int = exporting.MOST_IMAGES,
    frames: bool | None = None,
    choices: Mapping[str, JsonValue] | None = None,
    **options: Unpack[ReadingOptions],
) -> ExportReport:
    """Write a model for other software; it is read back and compared with the model before it is offered.

    Args:
        model: pruned, or any checkpoint that `inspect` takes.
        out: file to write, or of ``standalone`` a folder; nothing may be there.
        to: the format: ``onnx``, ``standalone``, ``official``, ``masked``, ``integer``, or a plug-in's.
        original: checkpoint that a pruned model came from, where the format needs it.
        data: on whose images the export is checked: a path, a torch ``Dataset``, or a ``DataLoader``; drawn ones unless
            given.
        split: which of them, as `evaluate` has it.
        images: how many of them, at most.
        frames: whether the model takes frames of events; as the data have it, or by its channels, unless given.
        choices: of the format, by name.
        options: fields of the constraint spec that say how inputs are read.

    Returns:
        What was written, and the figures of the check.

    Raises:
        TypeError: if there is no such option.
        PrimeSVTError: if the model cannot be written so, a package is missing, or what was written computes something
            else.
    """
    read = reading("export", options)
    checked_on = None
    if data is not None:
        checked_on = CheckData(
            source=opened(data), split=split, most=images, classes=read.classes, value_range=read.pixels.value_range
        )
    request = ExportRequest(
        model=Path(model), target=to, out=Path(out), original=None if original is None else Path(original),
        assumptions=read.assumptions, container=read.container, preprocessing=read.pixels.preprocessing,
        options=dict(choices or {}), data=checked_on, has_frames=frames,
    )  # fmt: skip
    return exporting.export(request)
