"""Evaluates candidates from the first stage that they change; what lies before it is computed once and kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from primesvt_core.data import Batch
from primesvt_core.evaluation.accuracy import Tick
from primesvt_core.layers.model import SpikingModel, Stage
from primesvt_core.layers.neurons import reset
from primesvt_core.pruning.surgery import silenced
from primesvt_core.types import ChannelGroup, Plan

PREFIX_BYTES = 2 << 30
"""Memory for what the original computes before each stage; the deepest stages, which save most, are kept first."""


class TrialEvaluator:
    """Scores candidates on the search split by silencing channels of the original.

    What lies before the first silenced stage is the same for every candidate; it is computed once and kept.
    """

    def __init__(
        self,
        model: SpikingModel,
        groups: Sequence[ChannelGroup],
        batches: Iterable[Batch],
        tick: Tick = lambda _: None,
    ) -> None:
        self.model, self.groups = model, groups
        self.stages = model.stages()
        self.device = next(model.parameters()).device
        self.touched = {group.name: _first_stage(group, self.stages) for group in groups}
        self.labels: list[Tensor] = []
        self.inputs: list[list[Tensor]] = []
        self.baseline: list[bool] = []
        self._remember(batches, tick)

    def correct(self, plan: Plan) -> list[bool]:
        """For every image of the search split whether the model pruned by ``plan`` is right."""
        start = min((self.touched[name] for name in plan.kept), default=len(self.stages) - 1)
        while start and self.inputs[start] == []:
            start -= 1
        right: list[bool] = []
        with torch.inference_mode(), silenced(self.model, self.groups, plan):
            for kept, labels in zip(self.inputs[start], self.labels, strict=True):
                right += self._right(self._run(kept.to(self.device), start), labels)
        return right

    def _run(self, x: Tensor, start: int) -> Tensor:
        reset(self.model)
        x = self.model.encode(x) if start == 0 else _unpacked(x)
        for stage in self.stages[start:]:
            x = stage.run(x)
        reset(self.model)
        return x

    def _right(self, logits: Tensor, labels: Tensor) -> list[bool]:
        right: list[bool] = (logits.argmax(1).cpu() == labels).tolist()
        return right

    def _remember(self, batches: Iterable[Batch], tick: Tick) -> None:
        """Run the original once and keep every stage's input, in one byte an element where nothing is lost by it."""
        self.inputs = [[] for _ in self.stages]
        with torch.inference_mode():
            for batch in batches:
                images = torch.from_numpy(batch.images)
                self.labels.append(torch.from_numpy(batch.labels))
                self.inputs[0].append(images)
                reset(self.model)
                x = self.model.encode(images.to(self.device))
                for index, stage in enumerate(self.stages):
                    if index:
                        self.inputs[index].append(_packed(x).cpu())
                    x = stage.run(x)
                reset(self.model)
                self.baseline += self._right(x, self.labels[-1])
                tick(len(self.baseline))
                self._forget_beyond_limit()

    def _forget_beyond_limit(self) -> None:
        """Give up the shallowest stages' inputs, which save least, once all together take too much."""
        sizes = [sum(x.nbytes for x in kept) for kept in self.inputs]
        for index in range(1, len(sizes)):
            if sum(sizes[1:]) <= PREFIX_BYTES:
                return
            self.inputs[index], sizes[index] = [], 0


def _first_stage(group: ChannelGroup, stages: Sequence[Stage]) -> int:
    """Index of the first stage whose result changes when the group is silenced."""
    return min(
        index for index, stage in enumerate(stages) if any(stage.uses(f"{norm}.weight") for norm in group.silencers)
    )


def _packed(x: Tensor) -> Tensor:
    """Spikes and sums of spikes as bytes; anything else as it is."""
    small = x.to(torch.uint8)
    return small if torch.equal(small.to(x.dtype), x) else x


def _unpacked(x: Tensor) -> Tensor:
    return x.float() if x.dtype == torch.uint8 else x
