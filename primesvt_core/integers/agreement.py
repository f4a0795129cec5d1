"""What an integer network computes beside the float model that it stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from primesvt_core.integers import format as fmt
from primesvt_core.integers.forward import Integers, apply, fixed_point, forward
from primesvt_core.layers.graph import Signal
from primesvt_core.layers.model import SpikingModel
from primesvt_core.layers.neurons import reset

Firing = fmt.Layer | fmt.Attention | fmt.Totals


@dataclass
class Agreement:
    """Counts over images.

    Attributes:
        images: how many.
        spikes: that could have been fired, by the layer that could: neurons times time steps times images.
        alone: of these, how many differ where the layer is given what the float model gives it.
        together: how many differ where every layer is given what the integer network has computed.
        otherwise: images that are classified otherwise.
        right: images that the integer network classifies right, of ``labels``; ``float_right`` the float model.
        labels: images that have one.
        float_right: see ``right``.
    """

    images: int = 0
    spikes: dict[str, int] = field(default_factory=dict)
    alone: dict[str, int] = field(default_factory=dict)
    together: dict[str, int] = field(default_factory=dict)
    otherwise: int = 0
    labels: int = 0
    right: int = 0
    float_right: int = 0

    def share(self, counts: Mapping[str, int]) -> float:
        """Of all spikes, how many of these counts."""
        return sum(counts.values()) / max(1, sum(self.spikes.values()))

    def worst(self) -> tuple[str, float]:
        """The layer that differs most where it is given what the float model gives it, and by which share."""
        shares = {name: self.alone[name] / count for name, count in self.spikes.items()}
        name = max(shares, key=lambda each: shares[each])
        return name, shares[name]


def compare(
    agreement: Agreement,
    index: fmt.Index,
    tensors: Mapping[str, NDArray[Any]],
    model: SpikingModel,
    images: NDArray[np.float32],
    labels: NDArray[np.int64] | None,
) -> None:
    """Count on more images.

    Both take the images as fixed-point numbers, so that what differs comes from the arithmetic.

    Args:
        agreement: to count in.
        index: of the integer network.
        tensors: of its file.
        model: the float model with the weights that the integers stand for.
        images: ``(B, C, H, W)`` or frames ``(B, T, C, H, W)``.
        labels: ``(B,)``, where there are any.
    """
    given = fixed_point(images, index.image, index.time_steps)
    floats = _floats(model, given * 2.0**-index.image.fraction_bits)
    integers = forward(index, tensors, given)
    expected: dict[str, Integers] = {
        name: np.rint(value).astype(np.int64) for name, value in floats.items() if name != index.operations[-1].output
    }
    expected["input"] = given
    for operation in index.operations:
        if isinstance(operation, Firing):
            name, wanted = operation.output, expected[operation.output]
            found = apply(operation, tensors, expected)
            _count(agreement.spikes, name, wanted.size)
            _count(agreement.alone, name, int((found != wanted).sum()))
            _count(agreement.together, name, int((integers[name] != wanted).sum()))
    output = index.operations[-1].output
    said, meant = integers[output].argmax(1), floats[output].argmax(1)
    agreement.images += len(images)
    agreement.otherwise += int((said != meant).sum())
    if labels is not None:
        agreement.labels += len(labels)
        agreement.right += int((said == labels).sum())
        agreement.float_right += int((meant == labels).sum())


def _count(counts: dict[str, int], name: str, more: int) -> None:
    counts[name] = counts.get(name, 0) + more


def _floats(model: SpikingModel, images: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """All values of the float model, from ``(T, B, C, H, W)``."""
    names = [node.value for node in model.graph.nodes]
    with torch.inference_mode():
        for_model = torch.from_numpy(images.astype(np.float32))
        values = _values(model, for_model, names)
    return {name: value.numpy() for name, value in values.items()}


def _values(model: SpikingModel, x: torch.Tensor, names: list[Signal]) -> dict[Signal, torch.Tensor]:
    reset(model)
    found = model.graph.values(x, names)
    reset(model)
    return found
