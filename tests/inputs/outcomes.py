"""What comes of an input: the accuracy of the same images as plain arrays, a refusal, or another accuracy and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from primesvt_core.data import DataSet
from primesvt_core.errors import PrimeSVTError
from primesvt_core.evaluation.evaluate import Evaluation, evaluate
from primesvt_core.evaluation.splits import SplitImages, open_splits
from primesvt_core.intake.inspect import inspect
from primesvt_core.intake.loading import load
from primesvt_core.spec import SplitSizes
from tests.inputs.case import Images, Input, Options, digits

BATCH = 64
NEAR_CHANCE = "near chance"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of an input.

    Attributes:
        kind: ``same``, ``refused``, ``noted``, ``assumed``, ``near chance`` or ``silent``; the last is a fault.
        told: the refusal, or the notes.
        accuracy: that was found; None if refused.
        right: that of the plain arrays.
    """

    kind: str
    told: str
    accuracy: float | None
    right: float


Predictions = Counter[tuple[int, int]]
"""How often an image of a class was taken for one of a class."""


def plain(images: Images, folder: Path) -> Path:
    """The arrays as a plain ``.npz``."""
    path = folder / "plain.npz"
    pixels = images.pixels[:, None] if images.pixels.ndim == 3 else images.pixels
    np.savez(path, images=pixels, labels=images.labels)
    return path


def predictions(model: Path, data: Path | DataSet, options: Options) -> Predictions:
    """What a model takes the images of a data set for, computed by its modules as they are."""
    images: SplitImages = open_splits(
        inspect(model), data, options.preprocessing, SplitSizes(), seed=0, batch_size=BATCH, classes=options.classes,
        value_range=options.value_range,
    )  # fmt: skip
    network, found = load(model), Predictions()
    with torch.inference_mode():
        for batch in images.batches(range(len(images.data))):
            taken = network(torch.from_numpy(batch.images)).argmax(1)
            found.update(zip(batch.labels.tolist(), taken.tolist(), strict=True))
    return found


def evaluated(model: Path, data: Path | DataSet, options: Options) -> Evaluation:
    """What ``primesvt evaluate`` finds."""
    return evaluate(
        model, data, split_name="all", classes=options.classes, preprocessing=options.preprocessing,
        value_range=options.value_range, batch_size=BATCH,
    )  # fmt: skip


@cache
def _reference(images: Images, model: Path) -> tuple[float, Predictions]:
    """What a model reaches on plain arrays, and what it takes them for."""
    with TemporaryDirectory() as folder:
        path = plain(images, Path(folder))
        return evaluated(model, path, Options()).accuracy, predictions(model, path, Options())


def outcome(given: Input, folder: Path) -> Outcome:
    """Evaluate an input, and the same images as plain arrays."""
    images = given.images or digits()
    right, wanted = _reference(images, given.model)
    try:
        made = given.make(folder)
        model, data = (made, plain(images, folder)) if given.is_checkpoint else (given.model, made)
        assert isinstance(model, Path)
        found = evaluated(model, data, given.options)
        is_same = found.accuracy == right and predictions(model, data, given.options) == wanted
    except PrimeSVTError as error:
        return Outcome(kind="refused", told=f"[{error.error_code}] {error.message}", accuracy=None, right=right)
    defaults = [f"{each['field']}={each['value']}" for each in found.assumptions if each["source"] == "default"]
    told = [*found.notes, *(f"assumed {default}" for default in defaults)]
    return Outcome(
        kind="same" if is_same else _why(found.notes, defaults), told=" / ".join(told), accuracy=found.accuracy,
        right=right,
    )  # fmt: skip


def _why(notes: tuple[str, ...], defaults: list[str]) -> str:
    """What tells a user that the accuracy is not that of the images."""
    if any(NEAR_CHANCE not in note for note in notes):
        return "noted"
    if defaults:
        return "assumed"
    return NEAR_CHANCE if notes else "silent"
