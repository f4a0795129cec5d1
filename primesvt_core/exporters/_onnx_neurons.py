"""Neurons as nodes of an ONNX graph, for torch's exporter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from primesvt_core.exporters._unrolled import Settings, fire


class _Nodes:
    """ONNX's arithmetic; numbers become constants of the dtype that stands beside them."""

    def __init__(self, op: Any) -> None:
        self.op = op

    def add(self, x: Any, y: Any) -> Any:
        return self.op.Add(x, y)

    def subtract(self, x: Any, y: Any) -> Any:
        return self.op.Sub(x, y)

    def multiply(self, x: Any, y: Any) -> Any:
        return self.op.Mul(x, y)

    def divide(self, x: Any, y: Any) -> Any:
        return self.op.Div(x, y)

    def reaches(self, x: Any, y: float) -> Any:
        return self.op.GreaterOrEqual(x, y)

    def as_number(self, fired: Any, like: Any) -> Any:
        return self.op.CastLike(fired, like)

    def choose(self, fired: Any, x: float, y: Any) -> Any:
        return self.op.Where(fired, x, y)


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
