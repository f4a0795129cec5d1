"""Candidates that do no more than silence channels of the same values, computed side by side: several rates a batch.

On a GPU a small operation takes less time than its launch. Candidates of one group differ in nothing but the channels
that are zero where they begin; so their images form one batch, and every operation behind is launched once for all.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from primesvt_core.engines.outlines import NOTHING, Outline, Silence, differing
from primesvt_core.layers.graph import Signal
from primesvt_core.pruning.patches import Patch

STACK_BYTES = 1 << 30
"""What the first layer would make of the images of all candidates of a stack, at the most."""


@dataclass(frozen=True, eq=False)
class Stack:
    """Candidates side by side, K of them, whose changed values are the same ones.

    Attributes:
        silent: of every candidate, the channels of a value that are zero.
        gone: channels that the values they begin with do not have.
        masks: of those values, ``(K, C)``, once they were asked for: 0 where a candidate silences a channel, else 1.
    """

    silent: tuple[Mapping[Signal, Silence], ...]
    gone: Mapping[Signal, Silence]
    masks: dict[Signal, Tensor] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """K."""
        return len(self.silent)

    def spread(self, name: Signal, x: Tensor) -> Tensor:
        """A value ``(T, B, C, ...)`` as every candidate has it, one candidate after another: ``(T, K x B, C, ...)``."""
        rows = x.movedim(2, -1).unsqueeze(1)  # (T, 1, B, ..., C)
        if any(silent.get(name) for silent in self.silent):
            if name not in self.masks:
                self.masks[name] = self._mask(name, x)
            rows = rows * self.masks[name].view(self.count, *[1] * (rows.dim() - 3), -1)
        return rows.expand(-1, self.count, *[-1] * (rows.dim() - 2)).flatten(1, 2).movedim(-1, 2)

    def apart(self, x: Tensor) -> list[Tensor]:
        """Logits ``(K x B, classes)`` by candidate."""
        return [*x.chunk(self.count)]

    def _mask(self, name: Signal, x: Tensor) -> Tensor:
        without = self.gone.get(name, NOTHING)
        left = [channel for channel in range(x.shape[2] + len(without)) if channel not in without]
        rows = [[float(channel not in silent.get(name, NOTHING)) for channel in left] for silent in self.silent]
        return torch.tensor(rows, dtype=x.dtype, device=x.device)


def only_silences(plan: Outline, patch: Patch, since: Patch) -> bool:
    """Whether what a candidate changes of another one ends in values that are silent in places."""
    names = differing(patch, since)
    return bool(plan.silent) and not any(node.uses(name) for node in plan.changed for name in names)


def alike(begins: Sequence[Hashable | None], most: int) -> Iterator[tuple[int, ...]]:
    """Places of what can stand side by side, in their order: runs of equal entries, one or more.

    Args:
        begins: an entry each; None stands alone.
        most: in a run.
    """
    places: dict[Hashable, list[int]] = {}
    for place, begin in enumerate(begins):
        places.setdefault(("alone", place) if begin is None else begin, []).append(place)
    size = max(1, most)
    for run in places.values():
        for start in range(0, len(run), size):
            yield tuple(run[start : start + size])
