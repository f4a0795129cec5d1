"""The classifier in integers: the means become sums, which differ from them by a factor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from primesvt_core.checkpoints.precisions import Encoded
from primesvt_core.errors import ExportError
from primesvt_core.integers import format as fmt
from primesvt_core.integers.folding import encoded

MULTIPLIER_BITS = 15
"""Of the numbers that bring the classes' scales to one."""


def classifier(
    path: str, head: nn.Module, stored: Mapping[str, Encoded], source: str, output: str, summed: int
) -> tuple[fmt.Classifier, dict[str, NDArray[Any]]]:
    """A linear classifier on means, as one on sums.

    Args:
        path: of the classifier.
        head: the classifier.
        stored: weights that the model's file has as integers, by name.
        source: what it takes.
        output: what it gives.
        summed: positions times time steps, by which the sum is larger than the mean.

    Returns:
        The operation and its tensors.

    Raises:
        ExportError: if it is no linear layer.
    """
    if type(head) is not nn.Linear:
        raise ExportError(f"integer: {path} is a {type(head).__name__}; the format holds one linear classifier")
    weight = encoded(path, head, stored)
    if weight.scales is None:
        raise ExportError(f"the weight of {path} has no scales")
    scales = weight.scales.astype(np.float64)
    unit = (float(scales.max()) or 1.0) / (summed << MULTIPLIER_BITS)
    bias = np.zeros(len(scales)) if head.bias is None else head.bias.detach().double().cpu().numpy()
    tensors: dict[str, NDArray[Any]] = {
        f"{path}.weight": weight.values,
        f"{path}.multiplier": np.rint(scales / (unit * summed)).astype(np.int64),
        f"{path}.bias": np.rint(bias / unit).astype(np.int64),
    }
    return fmt.Classifier(
        name=path, input=source, weight=f"{path}.weight", multiplier=f"{path}.multiplier", bias=f"{path}.bias",
        scale=unit, output=output,
    ), tensors  # fmt: skip
