"""One form that somebody may have a data set or a checkpoint in, with the same images as plain arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from primesvt_core.data import DataSet
from primesvt_core.spec import ClassReading, PreprocessingOverrides

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "examples" / "spikformer-digits.pth.tar"
COUNT = 60
CLASSES = 10

Bytes = NDArray[np.uint8]
Labels = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Images:
    """What plain arrays hold: ``pixels`` ``(N, H, W)`` or ``(N, H, W, 3)``, and the number of each image's class."""

    pixels: Bytes
    labels: Labels


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a user says of a data set."""

    classes: ClassReading = field(default_factory=ClassReading)
    preprocessing: PreprocessingOverrides = field(default_factory=PreprocessingOverrides)
    value_range: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Input:
    """Something that somebody may have.

    Attributes:
        name: kind and form.
        make: writes it into a folder; returns what is given as the data set, or, of a ``checkpoint``, as the model.
        images: what is in it, as plain arrays; the first digits unless given.
        options: what the user says.
        model: that is evaluated; that of the digits unless given.
        is_checkpoint: whether the model is the input, and the data set are the plain arrays.
    """

    name: str
    make: Callable[[Path], Path | DataSet]
    images: Images | None = None
    options: Options = field(default_factory=Options)
    model: Path = MODEL
    is_checkpoint: bool = False

    @property
    def kind(self) -> str:
        """The first word of its name."""
        return self.name.partition(": ")[0]


@cache
def digits() -> Images:
    """Some of the digits that the example's model was not trained on, as many of each class."""
    with np.load(ROOT / "examples" / "digits.npz") as arrays:
        pixels, labels = arrays["images"][:, 0], arrays["labels"]
    chosen = np.concatenate([np.flatnonzero(labels == number)[: COUNT // CLASSES] for number in range(CLASSES)])
    chosen = np.random.default_rng(0).permutation(chosen)
    return Images(pixels=pixels[chosen], labels=labels[chosen].astype(np.int64))


def inputs(kind: str, made: Mapping[str, Callable[[Path], Any]], **more: Any) -> list[Input]:
    """Inputs of one kind that differ in how they are made."""
    return [Input(name=f"{kind}: {name}", make=make, **more) for name, make in made.items()]
