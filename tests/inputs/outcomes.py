"""What comes of an input: the samples of the same images as plain arrays, a refusal, or other ones and why.

A model computes the same from the same samples: it is asked where they differ, and where it is itself the input.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from primesvt_core.data import DataSet
from primesvt_core.errors import PrimeSVTError
from primesvt_core.evaluation.evaluate import Evaluation, evaluate
from primesvt_core.evaluation.splits import SplitImages, open_splits
from primesvt_core.intake.inspect import Inspection, inspect
from primesvt_core.spec import SplitSizes
from tests.inputs.case import Images, Input, Options, digits

BATCH = 64
FRAMES = 4
NEAR_CHANCE = "near chance"
AS_THEY_ARE = Options()

Samples = Counter[tuple[str, int]]
"""How often a model is given an image, by its pixels in 255ths, with a label."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of an input.

    Attributes:
        kind: ``same``, ``refused``, ``noted``, ``assumed``, ``near chance`` or ``silent``; the last is a fault.
        told: the refusal, or the notes.
        accuracy: that was found; None if refused, or not measured since the samples are the same.
        right: that of the plain arrays; None likewise.
    """

    kind: str
    told: str = ""
    accuracy: float | None = None
    right: float | None = None


def plain(images: Images, folder: Path) -> Path:
    """The arrays as a plain ``.npz``."""
    path = folder / "plain.npz"
    pixels = images.pixels[:, None] if images.pixels.ndim == 3 else images.pixels
    np.savez(path, images=pixels, labels=images.labels)
    return path


@cache
def _inspected(model: Path) -> Inspection:
    return inspect(model)


def samples(model: Path, data: Path | DataSet, options: Options) -> Samples:
    """What a model is given of a data set."""
    images: SplitImages = open_splits(
        _inspected(model), data, options.preprocessing, SplitSizes(), seed=0, batch_size=BATCH, classes=options.classes,
        value_range=options.value_range,
    )  # fmt: skip
    found = Samples()
    for batch in images.batches(range(len(images.data))):
        for pixels, label in zip(batch.images, batch.labels, strict=True):
            if pixels.ndim == FRAMES and (pixels == pixels[:1]).all():  # a picture at every time step
                pixels = pixels[0]
            found[hashlib.sha256(np.rint(255 * pixels).astype(np.int32).tobytes()).hexdigest(), int(label)] += 1
    return found


def evaluated(model: Path, data: Path | DataSet, options: Options) -> Evaluation:
    """What ``primesvt evaluate`` finds."""
    return evaluate(
        model, data, split_name="all", classes=options.classes, preprocessing=options.preprocessing,
        value_range=options.value_range, batch_size=BATCH,
    )  # fmt: skip


@cache
def _right(images: Images, model: Path) -> float:
    """What a model reaches on plain arrays."""
    with TemporaryDirectory() as folder:
        return evaluated(model, plain(images, Path(folder)), AS_THEY_ARE).accuracy


def outcome(given: Input, folder: Path) -> Outcome:
    """Compare an input with the same images as plain arrays."""
    images = given.images or digits()
    reference = plain(images, folder)
    try:
        made = given.make(folder)
        if given.is_checkpoint:
            assert isinstance(made, Path)
            return _measured(given, images, evaluated(made, reference, given.options))
        if samples(given.model, made, given.options) == samples(given.model, reference, AS_THEY_ARE):
            return Outcome(kind="same")
        return _measured(given, images, evaluated(given.model, made, given.options))
    except PrimeSVTError as error:
        return Outcome(kind="refused", told=f"[{error.error_code}] {error.message}")


def _measured(given: Input, images: Images, found: Evaluation) -> Outcome:
    right = _right(images, given.model)
    defaults = [f"{each['field']}={each['value']}" for each in found.assumptions if each["source"] == "default"]
    told = " / ".join([*found.notes, *(f"assumed {default}" for default in defaults)])
    is_same = found.accuracy == right and found.samples == len(images.labels)
    kind = "same" if is_same else _why(found.notes, defaults)
    return Outcome(kind=kind, told=told, accuracy=found.accuracy, right=right)


def _why(notes: tuple[str, ...], defaults: list[str]) -> str:
    """What tells a user that the accuracy is not that of the images."""
    if any(NEAR_CHANCE not in note for note in notes):
        return "noted"
    if defaults:
        return "assumed"
    return NEAR_CHANCE if notes else "silent"
