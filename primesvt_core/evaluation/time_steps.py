"""Who is right on which image after fewer time steps, from one pass over the images."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from primesvt_core.engines import Images
from primesvt_core.engines.blockwise import BlockEngine
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
    for classes, labels in _by_step(model, images, tick):
        found = found or [[] for _ in classes]
        for right, one in zip(found, classes == labels, strict=True):
            right += one.tolist()
    return found


def classes_by_step(model: SpikingModel, images: Images, tick: Tick = lambda _: None) -> list[list[int]]:
    """For every number of time steps, from one on, and every image, in order, the class that ``model`` predicts."""
    found: list[list[int]] = []
    for classes, _ in _by_step(model, images, tick):
        found = found or [[] for _ in classes]
        for said, one in zip(found, classes, strict=True):
            said += one.tolist()
    return found


def _by_step(model: SpikingModel, images: Images, tick: Tick) -> Iterator[tuple[Tensor, Tensor]]:
    """Block by block the classes ``(T, B)`` and the labels ``(B,)``."""
    engine, done = BlockEngine(model, images, kept_bytes=0), 0
    for block in range(len(images)):
        logits, labels = engine.by_step(block)
        yield logits.argmax(2).cpu(), labels
        done += len(labels)
        tick(done)
