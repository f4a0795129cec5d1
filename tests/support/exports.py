"""Exports of golden models, checked on the golden input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from primesvt_core.exporters import EXPORTERS, Check, Export, ExportOptions
from primesvt_core.exporters._base import Array
from primesvt_core.exporters._loaded import load_model
from primesvt_core.testing.models import FamilyModel
from primesvt_core.types import Plan


@dataclass(frozen=True)
class GivenImages:
    """Images of a test, as the model takes them, ``(B, C, H, W)`` or ``(B, T, C, H, W)``."""

    x: Tensor
    source: str = "drawn"
    name: str = "golden input"
    classes: tuple[str, ...] = ()

    @property
    def has_frames(self) -> bool:
        return self.x.dim() == 5

    def __len__(self) -> int:
        return len(self.x)

    def first(self, count: int) -> Array:
        found: Array = self.x[:count].numpy()
        return found

    def batches(self) -> Iterator[tuple[Array, NDArray[np.int64] | None]]:
        yield self.x.numpy(), None


def saved(model: FamilyModel, path: Path, rate: float = 0.0) -> Path:
    """The file of a model, pruned at a rate unless that is 0."""
    model.save_pruned(model.plan(rate) if rate else Plan({}), path)
    return path


def exported(
    target: str, model: FamilyModel, out: Path, *, rate: float = 0.0, options: ExportOptions | None = None
) -> Check:
    """Write a model and verify what was written on its own input; returns the check."""
    exporter = EXPORTERS.load(target)
    source = saved(model, out.with_name("source.safetensors"), rate)
    handed = Export(model=load_model(source), options=options or exporter.options(), images=GivenImages(model.input))
    exporter.write(handed, out)
    return exporter.verify(handed, out)
