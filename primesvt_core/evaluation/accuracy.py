"""Running a model over images: who is right on which image, and on which device."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import torch

from primesvt_client.spec_types import DEVICES
from primesvt_core.engines import Images, open_engine
from primesvt_core.errors import SpecError
from primesvt_core.layers.model import SpikingModel
from primesvt_core.pruning.patches import Patch


def pick_device(name: str) -> torch.device:
    """``auto`` is the first GPU, or the CPU where there is none. On a GPU this process computes in full precision.

    Raises:
        SpecError: if the name is none of a device, or this machine has no such device.
    """
    device = _found(name)
    if device.type == "cuda":
        # Spikes depend on the last digits: ten bits of a product, which torch lets convolutions have, are not enough,
        # and the same model must have the same spikes every time.
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.deterministic = True
    return device


def _found(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(DEVICES, name):
        raise SpecError(f"there is no device {name!r}: use auto, cpu, cuda or cuda:N")
    device, gpus = torch.device(name), torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= gpus:
        available = f"its GPUs are cuda:0 to cuda:{gpus - 1}" if gpus else "torch finds no GPU on it"
        raise SpecError(f"this machine has no {name}: {available}; use another device, or auto")
    return device


Tick = Callable[[int], None]
"""Receives the number of images done so far."""


@dataclass(frozen=True)
class Answers:
    """What a model says of some images, in their order.

    Attributes:
        classes: what each is taken for.
        right: whether that is its label.
    """

    classes: tuple[int, ...]
    right: tuple[bool, ...]


def answers(model: SpikingModel, images: Images, tick: Tick = lambda _: None) -> Answers:
    """What ``model`` says of every image."""
    engine = open_engine(model, images, kept_bytes=0)
    classes: list[int] = []
    right: list[bool] = []
    for block in range(len(images)):
        (found,) = engine.evaluate(block, [Patch()])
        classes += found.classes
        right += found.right
        tick(len(right))
    return Answers(tuple(classes), tuple(right))


def correct(model: SpikingModel, images: Images, tick: Tick = lambda _: None) -> list[bool]:
    """For every image, in order, whether ``model`` is right."""
    return [*answers(model, images, tick).right]
