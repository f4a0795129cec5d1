"""Who is right on which image after fewer time steps, from one pass over the images."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from primesvt_core.engines import Images
from primesvt_core.engines.blockwise import BlockEngine
from primesvt_core.engines.metric import metric_of, right_of
from primesvt_core.evaluation.accuracy import Tick
from primesvt_core.layers.causality import noncausal
from primesvt_core.layers.model import SpikingModel

TRIED = 4
"""Time steps for which a model is tried: one that is causal for so many is for more."""


def why_not_fewer(model: SpikingModel, image: tuple[int, ...], steps: int) -> str | None:
    """Why a model's output after fewer time steps is not known from a run over all of them; None where it is.

    Args:
        model: on its device, in eval mode.
        image: ``(C, H, W)``.
        steps: over which it is run.
    """
    return noncausal(model, image, min(steps, TRIED)) if steps > 1 else None


def correct_by_step(model: SpikingModel, images: Images, tick: Tick = lambda _: None) -> list[list[bool]]:
    """For every number of time steps, from one on, and every image, in order, whether ``model`` is right.

    The last entry is what `correct` gives.

    Args:
        model: one of which `why_not_fewer` has nothing to say.
        images: at least one.
        tick: receives the number of images done so far.
    """
    found: list[list[bool]] = []
    metric = metric_of(images)
    for logits, labels in _by_step(model, images, tick):
        found = found or [[] for _ in logits]
        for right, of_step in zip(found, logits, strict=True):
            right += right_of(metric, of_step, labels)
    return found


def classes_by_step(model: SpikingModel, images: Images, tick: Tick = lambda _: None) -> list[list[int]]:
    """For every number of time steps, from one on, and every image, in order, the class that ``model`` predicts."""
    found: list[list[int]] = []
    for logits, _ in _by_step(model, images, tick):
        found = found or [[] for _ in logits]
        for said, of_step in zip(found, logits, strict=True):
            said += of_step.argmax(1).tolist()
    return found


def _by_step(model: SpikingModel, images: Images, tick: Tick) -> Iterator[tuple[Tensor, Tensor]]:
    """Block by block the logits ``(T, B, num_classes)`` and the labels ``(B,)``."""
    engine, done = BlockEngine(model, images, kept_bytes=0), 0
    for block in range(len(images)):
        logits, labels = engine.by_step(block)
        yield logits.cpu(), labels
        done += len(labels)
        tick(done)
