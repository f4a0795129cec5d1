"""Running a model over images: who is right on which image, and on which device."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import torch

from primesvt_client.spec import DEVICES
from primesvt_core.data import Batch
from primesvt_core.errors import SpecError
from primesvt_core.layers.model import SpikingModel


def pick_device(name: str) -> torch.device:
    """``auto`` is the first GPU, or the CPU where there is none.

    Raises:
        SpecError: if the name is none of a device, or this machine has no such device.
    """
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


def correct(model: SpikingModel, batches: Iterable[Batch], tick: Tick = lambda _: None) -> list[bool]:
    """For every image, in order, whether ``model`` is right."""
    device = next(model.parameters()).device
    right: list[bool] = []
    with torch.inference_mode():
        for batch in batches:
            logits = model(torch.from_numpy(batch.images).to(device))
            right += (logits.argmax(1).cpu() == torch.from_numpy(batch.labels)).tolist()
            tick(len(right))
    return right
