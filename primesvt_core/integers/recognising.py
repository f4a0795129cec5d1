"""Which of the functions that a graph applies are known in integers, by the expression that they compute."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from torch import nn

from primesvt_core.codegen.formulas import Scope, formula
from primesvt_core.codegen.sources import Source, filled
from primesvt_core.errors import ExportError
from primesvt_core.layers.graph import Apply


@dataclass(frozen=True)
class Recognised:
    """What a function does.

    Attributes:
        kind: ``totals`` sums spikes, ``mask`` multiplies by spikes, ``classifier`` gives the logits.
        heads: over whose channels; None where it is over positions.
        path: of the classifier.
    """

    kind: Literal["tokens", "totals", "mask", "classifier"]
    heads: int | None = None
    path: str | None = None


BY_HEAD = r"unflatten\(2, \((?P<heads>\d+), -1\)\)"
KNOWN: tuple[tuple[str, Literal["tokens", "totals", "mask", "classifier"]], ...] = (
    (r"x\.flatten\(3\)", "tokens"),
    (rf"x\.{BY_HEAD}\.sum\(3, keepdim=True\)", "totals"),
    (r"x\.sum\(3, keepdim=True\)", "totals"),
    (rf"\(x \* y\.{BY_HEAD}\)\.flatten\(2, 3\)", "mask"),
    (r"x \* y", "mask"),
    (r"self\.(?P<path>[\w.]+)\(x(\.flatten\(3\))?\.mean\(3\)\.mean\(0\)\)", "classifier"),
    (r"self\.(?P<path>[\w.]+)\(x(\.flatten\(3\))?\.mean\(3\)\)\.mean\(0\)", "classifier"),
)
"""Expressions of ``x`` and ``y``; a classifier is affine, so that its means may stand before or behind it."""


def recognise(name: str, op: Apply, model: nn.Module, inputs: int) -> Recognised:
    """What a function of so many inputs computes.

    Raises:
        ExportError: if it is none that is known.
    """
    written = _written(name, op, model, inputs)
    for pattern, kind in KNOWN:
        if match := re.fullmatch(pattern, written):
            found = match.groupdict()
            heads = found.get("heads")
            return Recognised(kind, None if heads is None else int(heads), found.get("path"))
    raise ExportError(f"integer: {name} computes {written}, which the format does not hold")


def _written(name: str, op: Apply, model: nn.Module, inputs: int) -> str:
    def assign(expression: Source) -> str:
        raise ExportError(f"integer: {name} uses {filled(expression)} more than once, which the format does not hold")

    names: list[Source] = [("x",), ("y",), ("z",)]
    return filled(formula(name, op, names[:inputs], Scope("", model, assign, set())))
