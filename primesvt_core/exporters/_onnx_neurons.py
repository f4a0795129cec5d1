"""Neurons as nodes of an ONNX graph, for torch's exporter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from primesvt_core.exporters._unrolled import Settings, fire


class _Nodes:
    """ONNX's arithmetic; numbers become constants of the dtype that stands beside them.

    Which dtype that is nobody knows of what a node computes while a graph is made: onnxscript would take float32.
    """

    def __init__(self, op: Any) -> None:
        self.op = op

    def add(self, x: Any, y: Any) -> Any:
        return self.op.Add(x, self._constant(y, x))

    def subtract(self, x: Any, y: Any) -> Any:
        return self.op.Sub(x, self._constant(y, x))

    def multiply(self, x: Any, y: Any) -> Any:
        return self.op.Mul(x, self._constant(y, x))

    def divide(self, x: Any, y: Any) -> Any:
        return self.op.Div(x, self._constant(y, x))

    def reaches(self, x: Any, y: float) -> Any:
        return self.op.GreaterOrEqual(x, self._constant(y, x))

    def as_number(self, fired: Any, like: Any) -> Any:
        return self.op.CastLike(fired, like)

    def choose(self, fired: Any, x: float, y: Any) -> Any:
        return self.op.Where(fired, self._constant(x, y), y)

    def _constant(self, y: Any, like: Any) -> Any:
        if not isinstance(y, float):
            return y
        import onnx_ir

        return self.op.CastLike(self.op.Constant(value=onnx_ir.tensor(np.float64(y))), like)


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """Of operations that only our models have, for ``custom_translation_table``."""
    from onnxscript import opset20 as op

    def translate(
        x: Any, steps: int, charge: int, scale: float, divides: bool, threshold: float, rest: float, subtracts: bool
    ) -> Any:
        own = Settings(charge, scale, divides, threshold, rest, subtracts)
        given = x.shape[0]
        currents = [*op.Split(x, axis=0, num_outputs=steps)] if given == steps > 1 else [x] * steps
        spikes = fire(_Nodes(op), currents, own)
        return op.Concat(*spikes, axis=0) if steps > 1 else spikes[0]

    return {torch.ops.primesvt.fire.default: translate}
