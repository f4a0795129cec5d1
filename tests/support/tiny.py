"""A tiny Spikformer and a data set that it can learn, made in a moment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from primesvt_core.families.spikformer import FAMILY, Spikformer
from primesvt_core.testing.models import TINY
from primesvt_core.types import ChannelGroup

CONFIG = TINY
CLASSES, SIDE = CONFIG.num_classes, CONFIG.image_size


def images(count: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Grey pictures whose bright third says the class."""
    labels = np.arange(count) % CLASSES
    pictures = np.random.default_rng(0).integers(0, 60, (count, SIDE, SIDE))
    for picture, label in zip(pictures, labels, strict=True):
        picture[:, label * 5 : label * 5 + 5] += 180
    return pictures.astype(np.uint8), labels.astype(np.int64)


def data_file(folder: Path, count: int = 120) -> Path:
    pictures, labels = images(count)
    np.savez(folder / "tiny.npz", images=pictures, labels=labels)
    return folder / "tiny.npz"


def model(seed: int = 0) -> Spikformer:
    """Untrained, in eval mode."""
    torch.manual_seed(seed)
    return Spikformer(CONFIG).eval()


def groups() -> tuple[ChannelGroup, ...]:
    """Its channel groups."""
    return tuple(FAMILY.groups(CONFIG))
