"""Every model that the families are held against: golden files, and spikingjelly's own models run on the spot."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from primesvt_core.pruning.surgery import shapes_of
from primesvt_core.types import Shapes
from tests.support.goldens import FAMILY_KEYS, Golden, golden_files, load_golden
from tests.support.thorough import IS_THOROUGH
from tests.support.zoo import MODELS


class Reference(Protocol):
    """Where a golden record comes from."""

    @property
    def name(self) -> str: ...

    @property
    def family(self) -> str: ...

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of the images or frames that it is run on."""

    def shapes(self) -> Shapes:
        """Its state dict without the values, sooner than `load` has them."""

    def load(self) -> Golden:
        """The record; the same one every time."""

    def __hash__(self) -> int: ...


@dataclass(frozen=True)
class GoldenFile:
    """A file beside the checkout."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def family(self) -> str:
        return self.name.split("-")[0]

    @property
    def input_shape(self) -> tuple[int, ...]:
        return tuple(self.load().input.shape)

    def shapes(self) -> Shapes:
        return shapes_of(self.load().state)

    def load(self) -> Golden:
        return load_golden(self.path)


ALIKE = frozenset(
    {
        "maxformer-imagenet_old-T2", "maxformer-cifar_avg-T2", "qkformer-step_imagenet-T4", "sdtv1-step_cifar-T4",
        "sdtv2-imagenet-kd-T4", "sdtv3-large_1x8", "spikformer-step_imagenet-T4", "spikingformer-cml_dvs-T3",
    }
)  # fmt: skip
"""That differ from others in names, in a second head, in where they pool or in their neurons' settings alone."""


def without_times() -> list[Reference]:
    """Of those that differ in nothing but time steps, names or such settings one, for what makes them few anyway.

    With `make test-thorough` of all but for time steps.
    """
    wanted = [reference for reference in references() if IS_THOROUGH or reference.name not in ALIKE]
    return [*{re.sub(r"-T\d+$", "", reference.name): reference for reference in wanted}.values()]


def some_of_each_family(count: int) -> list[Reference]:
    """The last one, then the first ones, ``count`` of each; with `make test-thorough` all but for time steps."""
    every = without_times()
    if IS_THOROUGH:
        return every
    of_family = [[found for found in every if found.family == family] for family in FAMILY_KEYS]
    return [reference for found in of_family for reference in dict.fromkeys((*found[-1:], *found)[:count])]


def references(*families: str) -> list[Reference]:
    """Those of the families that are built, or of some."""
    wanted = families or FAMILY_KEYS
    files = [GoldenFile(path) for path in golden_files(*wanted)]
    return [*files, *(model for model in MODELS if model.family in wanted)]
