"""Values of the original, or of an accepted step, that stay in memory from one call of an engine to the next."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from primesvt_core.layers.graph import Signal


class Kept:
    """Values of one model by block, spikes and sums of spikes as bytes; at most ``limit`` bytes of them."""

    def __init__(self, place: Mapping[Signal, int], limit: int) -> None:
        self.place, self.limit = place, limit
        self.values: dict[tuple[int, Signal], Tensor] = {}
        self.bytes = 0

    def get(self, block: int, name: Signal) -> Tensor | None:
        """What is kept, packed."""
        return self.values.get((block, name))

    def put(self, block: int, name: Signal, value: Tensor) -> None:
        """Keep a value; the shallowest are given up once all together take too much."""
        if (block, name) in self.values or not self.limit:
            return
        packed = _packed(value)
        self.values[block, name] = packed
        self.bytes += packed.nbytes
        if self.bytes > self.limit:
            for key in sorted(self.values, key=lambda key: self.place[key[1]]):
                self.bytes -= self.values.pop(key).nbytes
                if self.bytes <= self.limit:
                    break


def _packed(x: Tensor) -> Tensor:
    """Spikes and sums of spikes as bytes; anything else as it is."""
    small = x.to(torch.uint8)
    return small if torch.equal(small.to(x.dtype), x) else x


def unpacked(x: Tensor, like: Tensor) -> Tensor:
    """A value as it was put in, in the precision of ``like``."""
    return x.to(like.dtype) if x.dtype == torch.uint8 else x
