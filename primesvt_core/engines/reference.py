"""The reference: every candidate from the images, by the modules as they are."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from primesvt_core.engines._base import Images, Predictions
from primesvt_core.engines.metric import metric_of
from primesvt_core.engines.predictions import predictions
from primesvt_core.layers.model import SpikingModel
from primesvt_core.layers.neurons import as_spikingjelly_has_them
from primesvt_core.pruning.patches import Patch, patched


class ReferenceEngine:
    """Computes candidates one by one with spikingjelly's modules; what other engines are compared with."""

    def __init__(self, model: SpikingModel, images: Images) -> None:
        self.model, self.images = model, images

    def evaluate(self, block: int, patches: Sequence[Patch]) -> list[Predictions]:
        """What each candidate predicts on the images of a block."""
        x, labels = self.images.block(block)
        parameter = next(self.model.parameters())
        x = x.to(parameter)
        original = self.logits(x, Patch())
        metric = metric_of(self.images)
        return [predictions(original, self.logits(x, patch), labels, metric) for patch in patches]

    def rebase(self, patch: Patch) -> None:
        """Every candidate is computed from the images."""

    def logits(self, x: Tensor, patch: Patch) -> Tensor:
        """``(B, num_classes)`` of one candidate."""
        with torch.inference_mode(), as_spikingjelly_has_them(self.model), patched(self.model, patch):
            found: Tensor = self.model(x)
        return found
