"""CUDA graphs: what a level launches on a GPU for one block of images is recorded, and replayed for those that follow.

A batch of few images spends more time in Python and in launches than on the GPU. A recording launches everything at
once; it computes the same kernels on the same shapes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from primesvt_core.layers.graph import Signal

if TYPE_CHECKING:
    from torch.cuda import _POOL_HANDLE

Values = Mapping[Signal, Tensor]
Compute = Callable[[Values], dict[Signal, Tensor]]

RECORDED_BYTES = 128 << 20
"""What the first layer makes of a batch, at the most: beyond it launches take no time that counts."""

MOST = 16
"""Recordings of a level, at the most."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Recording:
    """What was launched once, with the memory that it reads and writes."""

    graph: torch.cuda.CUDAGraph
    inputs: Values
    outputs: Values

    def replay(self, values: Values) -> dict[Signal, Tensor]:
        """The same with other values of the same shapes."""
        for name, held in self.inputs.items():
            _written(held).copy_(_written(values[name]))
        self.graph.replay()
        return {name: value.clone() for name, value in self.outputs.items()}


class Recordings:
    """The recordings of one level."""

    def __init__(self) -> None:
        self.made: dict[Hashable, Recording | None] = {}
        """None after what was computed once, launch by launch, which sets up whatever must not be set up on record."""
        self.refused: set[Hashable] = set()

    def run(self, what: Hashable, compute: Compute, values: Values) -> dict[Signal, Tensor]:
        """What ``compute`` returns for values on a GPU.

        Args:
            what: names it: for the same name and values of the same shapes it launches the same.
            compute: depends on the values alone, and leaves them as they are.
            values: its arguments.
        """
        key = (what, tuple((name, x.shape, x.stride(), x.dtype) for name, x in values.items()))
        if key not in self.made:
            while len(self.made) >= MOST:
                del self.made[next(iter(self.made))]
            self.made[key] = None
            return compute(values)
        if self.made[key] is None and key not in self.refused:
            try:
                self.made[key] = record(compute, values)
            except RuntimeError as error:  # an operation that waits for the GPU cannot be recorded
                log.info("not recorded, launched one by one: %s", error)
                self.refused.add(key)
        recording = self.made[key]
        return recording.replay(values) if recording else compute(values)


def record(compute: Compute, values: Values) -> Recording:
    """Record what ``compute`` launches.

    Raises:
        RuntimeError: if it waits for the GPU in between.
    """
    device = next(iter(values.values())).device
    stream, pool = _recorder(device)
    inputs = {name: _room(x) for name, x in values.items()}
    graph = torch.cuda.CUDAGraph()
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        graph.capture_begin(pool=cast("_POOL_HANDLE", pool), capture_error_mode="thread_local")
        try:
            outputs = compute(inputs)
        finally:
            graph.capture_end()
    torch.cuda.current_stream(device).wait_stream(stream)
    return Recording(graph, inputs, outputs)


@cache
def _recorder(device: torch.device) -> tuple[torch.cuda.Stream, tuple[int, int]]:
    """Where recordings of a device are made, and the memory that all of them share.

    They run one after another, and what they leave is copied at once.
    """
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    return stream, torch.cuda.graph_pool_handle()


def _room(x: Tensor) -> Tensor:
    """Memory like a value's; one image shown at every time step stays that."""
    return torch.empty_like(_written(x)).expand(x.shape)


def _written(x: Tensor) -> Tensor:
    return x[:1] if len(x) > 1 and x.stride(0) == 0 else x
