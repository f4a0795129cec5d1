"""Values of a model that stay in memory from one call of an engine to the next."""

from __future__ import annotations

from collections.abc import Container, Hashable, Mapping
from threading import Lock

import torch
from torch import Tensor

from primesvt_core.engines.kernels import Kernels, pack
from primesvt_core.layers.graph import Signal


class Kept:
    """Values of one model by piece of images, spikes and sums of spikes as bytes; at most ``limit`` bytes of them.

    Args:
        place: of every value in the forward pass: the shallowest are given up first.
        limit: in bytes; 0 keeps nothing.
        kernels: the form of the packing.
    """

    def __init__(self, place: Mapping[Signal, int], limit: int, kernels: Kernels) -> None:
        self.place, self.limit, self.kernels = place, limit, kernels
        self.values: dict[Signal, dict[Hashable, Tensor]] = {}
        self.bytes = 0
        self.writing = Lock()

    def get(self, piece: Hashable, name: Signal) -> Tensor | None:
        """What is kept, packed."""
        return self.values.get(name, {}).get(piece)

    def put(self, piece: Hashable, name: Signal, value: Tensor) -> None:
        """Keep a value, unless all those together take too much and none is shallower."""
        if self.limit and self.get(piece, name) is None and not self._is_next_to_go(name, value):
            packed = pack(value, self.kernels)
            with self.writing:
                self._put(piece, name, packed)

    def _is_next_to_go(self, name: Signal, value: Tensor) -> bool:
        """Whether a value would be given up at once: there is no room, and what is kept is no shallower."""
        if self.bytes + value.numel() <= self.limit:
            return False
        with self.writing:
            return all(self.place[name] <= self.place[other] for other in self.values)

    def adopt(self, other: Kept, without: Container[Signal] = ()) -> None:
        """Keep what another keeps, but for some values."""
        for name, pieces in other.values.items():
            if name not in without:
                for piece, packed in pieces.items():
                    if self.get(piece, name) is None:
                        self._put(piece, name, packed)

    def _put(self, piece: Hashable, name: Signal, packed: Tensor) -> None:
        self.values.setdefault(name, {})[piece] = packed
        self.bytes += packed.nbytes
        while self.bytes > self.limit:
            shallowest = min(self.values, key=self.place.__getitem__)
            _, given_up = self.values[shallowest].popitem()
            self.bytes -= given_up.nbytes
            if not self.values[shallowest]:
                del self.values[shallowest]


def unpacked(x: Tensor, like: Tensor) -> Tensor:
    """A value as it was put in, in the precision of ``like``."""
    return x.to(like.dtype) if x.dtype == torch.uint8 else x
