"""Candidates that run for fewer time steps than the original with which they are compared."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from primesvt_core.engines._base import Predictions
from primesvt_core.engines.blockwise import BlockEngine
from primesvt_core.engines.metric import metric_of
from primesvt_core.engines.predictions import predictions
from primesvt_core.pruning.patches import Patch


class ShorterEngine:
    """The original without changes over all its time steps, and with any change over fewer.

    Args:
        original: computes the original; of its candidates none is asked for.
        shorter: computes the same weights over fewer time steps, on the same images in the same blocks.
    """

    def __init__(self, original: BlockEngine, shorter: BlockEngine) -> None:
        self.original, self.shorter = original, shorter
        self._known: dict[int, Tensor] = {}

    def evaluate(self, block: int, patches: Sequence[Patch]) -> list[Predictions]:
        """What each candidate predicts on the images of a block; divergences are from the original."""
        if block not in self._known:
            self._known[block], _ = self.original.logits(block, [])
        original, labels = self._known[block], self.original.labels[block]
        changed = [patch for patch in patches if patch.touched]
        found = iter(self.shorter.logits(block, changed)[1] if changed else [])
        logits = [next(found) if patch.touched else original for patch in patches]
        metric = metric_of(self.original.images)
        return [predictions(original, each, labels, metric) for each in logits]

    def rebase(self, patch: Patch) -> None:
        """Say that candidates will follow which change this one further."""
        self.shorter.rebase(patch)
