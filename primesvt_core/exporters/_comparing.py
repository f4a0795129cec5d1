"""Whether what was exported computes what the model does: logits, image by image."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ConfigDict

from primesvt_core.errors import ExportError
from primesvt_core.exporters._base import Array, Check, Export
from primesvt_core.layers.model import SpikingModel

TOLERANCE = 1e-4
"""Largest difference of a logit that rounding alone makes."""

EXACT = 1e-6
"""The same in double precision, in which no rounding comes near a threshold."""

FEW = 4
"""Images that are run twice, and each of them alone."""

MOST_DIFFERENT = 0.05
"""Share of a data set's images of which rounding may flip a spike."""

MOST_OTHERWISE = 0.001
"""Share of a data set's images that may be classified otherwise; one may in any case."""

DECIDED = 2
"""Images of those that differ which double precision is asked about: it is slow."""

Run = Callable[[Array], Array]
"""``(B, C, H, W)`` images or ``(B, T, C, H, W)`` frames to logits ``(B, num_classes)``."""


class LogitsCheck(Check):
    """Logits of what was exported beside those of the model.

    Attributes:
        images: how many were compared.
        source: ``data`` or ``drawn``.
        data: what they are called.
        tolerance: difference of a logit beyond which an image counts as different.
        max_difference: the largest difference of a logit.
        different: images with a larger one than the tolerance.
        otherwise: images that are classified otherwise.
        double_difference: the largest difference of a logit where both compute in double precision, of images that are
            different; None where none is.
        accuracy: of what was exported, where the images have labels.
        model_accuracy: of the model on the same images.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    images: int
    source: str
    data: str
    tolerance: float
    max_difference: float
    different: int
    otherwise: int
    double_difference: float | None = None
    accuracy: float | None = None
    model_accuracy: float | None = None


@dataclass
class _Counts:
    """What was found so far; `examples` are images that differ, ``(1, ...)`` each."""

    images: int = 0
    max_difference: float = 0.0
    different: int = 0
    otherwise: int = 0
    labels: int = 0
    right: int = 0
    model_right: int = 0
    examples: list[Array] = field(default_factory=list)

    def add(self, x: Array, found: Array, wanted: Array, labels: NDArray[np.int64] | None) -> None:
        if found.shape != wanted.shape:
            raise ExportError(f"logits of shape {list(found.shape)} where the model gives {list(wanted.shape)}")
        differences = np.abs(found.astype(np.float64) - wanted).max(axis=1, initial=0.0)
        differences[~np.isfinite(differences)] = np.inf
        self.images += len(x)
        self.max_difference = max(self.max_difference, float(differences.max(initial=0.0)))
        beyond = np.flatnonzero(differences > TOLERANCE)
        self.different += len(beyond)
        self.examples += [x[index : index + 1] for index in beyond[: DECIDED - len(self.examples)]]
        said, meant = found.argmax(1), wanted.argmax(1)
        self.otherwise += int((said != meant).sum())
        if labels is not None:
            self.labels += len(labels)
            self.right += int((said == labels).sum())
            self.model_right += int((meant == labels).sum())


def compare_logits(
    export: Export,
    run: Run,
    *,
    compared: str,
    model: SpikingModel | None = None,
    exactly: Callable[[], Run] | None = None,
) -> LogitsCheck:
    """Compare logits on all images, and on a few of them run twice and one by one.

    Where rounding flips a spike a logit differs by far more than rounding itself. So an image that differs is computed
    once more in double precision by both; that decides whether they compute the same.

    Args:
        export: whose images and, unless ``model`` is given, whose model.
        run: what was exported.
        compared: what is compared with what, for people.
        model: with which it is compared, where that is not the export's own; computes in float32.
        exactly: what was exported, in double precision; asked for where an image differs. Nothing may without it.

    Raises:
        ExportError: if it computes something else.
    """
    reference = model or export.model.network
    counts = _Counts()
    for x, labels in export.images.batches():
        counts.add(x, run(x), _logits(reference, x), labels)
    notes = _check_states(run, reference, export.images.first(FEW), counts)
    double = _decide(reference, counts, exactly)
    if counts.different:
        notes = (*notes, _tie_note(counts, double))
    _check_shares(export, counts)
    share = counts.labels or 1
    return LogitsCheck(
        compared=compared,
        notes=notes,
        images=counts.images,
        source=export.images.source,
        data=export.images.name,
        tolerance=TOLERANCE,
        max_difference=counts.max_difference,
        different=counts.different,
        otherwise=counts.otherwise,
        double_difference=double,
        accuracy=counts.right / share if counts.labels else None,
        model_accuracy=counts.model_right / share if counts.labels else None,
    )


def _logits(model: SpikingModel, x: Array) -> Array:
    with torch.inference_mode():
        dtype = next(model.parameters()).dtype
        found: Array = model(torch.from_numpy(x).to(dtype)).double().numpy()
    return found


def _check_states(run: Run, reference: SpikingModel, few: Array, counts: _Counts) -> tuple[str, ...]:
    """A second run of the same images and each of them alone; what remembers the first one differs."""
    first, second = run(few), run(few)
    if not np.array_equal(first, second, equal_nan=True):
        raise ExportError(
            f"a second run of the same images gives other logits (by {np.abs(first - second).max():.2g}): what was"
            " exported keeps a state between runs"
        )
    if reference.depends_on_batch:
        return ("logits depend on the other images of a batch, as the model's do",)
    alone = _Counts()
    for index in range(len(few)):
        image = few[index : index + 1]
        alone.add(image, run(image), _logits(reference, image), None)
    counts.examples = (alone.examples + counts.examples)[:DECIDED]
    counts.max_difference = max(counts.max_difference, alone.max_difference)
    if alone.different and not counts.different:
        counts.different = alone.different
    return ()


def _decide(reference: SpikingModel, counts: _Counts, exactly: Callable[[], Run] | None) -> float | None:
    """The largest difference in double precision of the images that differ.

    Raises:
        ExportError: if there are any and nobody can tell, or they differ in double precision too.
    """
    if not counts.examples:
        return None
    if exactly is None:
        raise ExportError(
            f"its logits differ from the model's by up to {counts.max_difference:.2g} on {counts.different} of"
            f" {counts.images} images"
        )
    double, run = deepcopy(reference).double(), exactly()
    worst = 0.0
    for x in counts.examples:
        exact = x.astype(np.float64)
        worst = max(worst, float(np.abs(run(exact) - _logits(double, exact)).max()))
    if not worst <= EXACT:
        raise ExportError(
            f"its logits differ from the model's by up to {counts.max_difference:.2g} on {counts.different} of"
            f" {counts.images} images, and in double precision by {worst:.2g}: it computes something else"
        )
    return worst


def _tie_note(counts: _Counts, double: float | None) -> str:
    return (
        f"on {counts.different} of {counts.images} images rounding flips a spike and logits differ by up to"
        f" {counts.max_difference:.2g}; in double precision, which decides, by {double or 0.0:.2g}"
    )


def _check_shares(export: Export, counts: _Counts) -> None:
    """Refuse where rounding alone would make too much of a difference on real images."""
    if export.images.source != "data":
        return
    if counts.different > max(1, MOST_DIFFERENT * counts.images) or counts.otherwise > max(
        1, MOST_OTHERWISE * counts.images
    ):
        raise ExportError(
            f"on {counts.images} images of {export.images.name} the logits of {counts.different} differ by more than"
            f" {TOLERANCE:g} and {counts.otherwise} are classified otherwise, too many for rounding alone"
        )
