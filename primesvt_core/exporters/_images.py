"""Images on which an exported model is checked: of a data set, or drawn where none is given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from primesvt_core.data import Preprocessing
from primesvt_core.evaluation.splits import SplitImages
from primesvt_core.exporters._base import Array
from primesvt_core.exporters._loaded import LoadedModel

DRAWN = 8
EVENT_CHANNELS = 2
"""Of frames: events of either polarity."""

MEAN_EVENTS = 0.5
"""Of a pixel in a drawn frame."""


@dataclass(frozen=True, kw_only=True)
class DataImages:
    """Images of a data set, in the order of a split.

    Attributes:
        images: the data set as the model sees it.
        indices: which of them.
    """

    images: SplitImages
    indices: Sequence[int]
    source = "data"

    @property
    def name(self) -> str:
        return self.images.data.name

    @property
    def classes(self) -> tuple[str, ...]:
        return self.images.data.classes if self.images.data.is_labelled else ()

    @property
    def has_frames(self) -> bool:
        return self.images.data.kind == "frames"

    def __len__(self) -> int:
        return len(self.indices)

    def first(self, count: int) -> Array:
        found: Array = np.concatenate([batch.images for batch in self.images.batches(self.indices[:count])])
        return found

    def batches(self) -> Iterator[tuple[Array, NDArray[np.int64] | None]]:
        for batch in self.images.batches(self.indices):
            yield batch.images, batch.labels if self.images.data.is_labelled else None


@dataclass(frozen=True, kw_only=True)
class DrawnImages:
    """Images drawn by chance, the same every time: pixels of any brightness, or counts of events.

    Attributes:
        shape: ``(C, H, W)`` or ``(T, C, H, W)`` of one.
        preprocessing: of pixels.
        classes: none.
    """

    shape: tuple[int, ...]
    preprocessing: Preprocessing
    classes: tuple[str, ...] = ()
    source = "drawn"

    @property
    def name(self) -> str:
        return f"{DRAWN} {'frames' if self.has_frames else 'images'} drawn by chance"

    @property
    def has_frames(self) -> bool:
        return len(self.shape) > len("CHW")

    def __len__(self) -> int:
        return DRAWN

    @cached_property
    def _drawn(self) -> Array:
        chance = np.random.default_rng(0)
        if self.has_frames:
            return chance.poisson(MEAN_EVENTS, (DRAWN, *self.shape)).astype(np.float32)
        channels, height, width = self.shape
        pixels = chance.integers(0, 256, (DRAWN, height, width, channels), np.uint8)
        as_they_are = self.preprocessing.model_copy(update={"resize": None, "crop": None})
        return np.ascontiguousarray(np.stack([as_they_are.apply(one) for one in pixels]))

    def first(self, count: int) -> Array:
        return self._drawn[:count]

    def batches(self) -> Iterator[tuple[Array, None]]:
        yield self._drawn, None


def drawn_for(model: LoadedModel, *, has_frames: bool | None = None) -> DrawnImages:
    """Images that a model takes; frames where it takes two channels, unless the caller says what it takes."""
    config, crop = model.config, model.preprocessing.crop
    side = crop or config.image_size
    frames = config.in_channels == EVENT_CHANNELS if has_frames is None else has_frames
    steps = (config.time_steps,) if frames else ()
    return DrawnImages(shape=(*steps, config.in_channels, side, side), preprocessing=model.preprocessing)
