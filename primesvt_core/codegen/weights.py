"""The tensors of a standalone model: those that its forward pass reads, as they are stored."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from primesvt_core.checkpoints.precisions import Encoded

SCALE = ".scale"
"""What the name of a weight's scales has behind the weight's."""


def weights(state: Mapping[str, Tensor], stored: Mapping[str, Encoded], names: Collection[str]) -> dict[str, Tensor]:
    """Tensors to be written.

    Args:
        state: of the model, as it computes.
        stored: weights that the model's file has in a lower precision, which are taken over bit for bit.
        names: of the tensors that are needed.
    """
    found: dict[str, Tensor] = {}
    for name in names:
        encoded = stored.get(name)
        found[name] = state[name].detach().clone() if encoded is None else torch.tensor(encoded.values)
        if encoded is not None and encoded.scales is not None:
            found[name + SCALE] = torch.tensor(encoded.scales)
    return found
