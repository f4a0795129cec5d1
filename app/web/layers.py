"""The layer table, in the chosen order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from primesvt_core.report.schema import LayerFigures

FIRST_ORDER = "before"


def _saved(layer: LayerFigures) -> int:
    return layer.parameter_bytes_after - layer.parameter_bytes_before


ORDERS: Mapping[str, Callable[[LayerFigures], Any]] = {
    "name": lambda layer: layer.name,
    "before": lambda layer: -layer.parameter_bytes_before,
    "after": lambda layer: -layer.parameter_bytes_after,
    "saved": _saved,
}
"""Keys by which the table can be sorted; sizes largest first."""


def table(layers: Iterable[LayerFigures], order: str) -> tuple[LayerFigures, ...]:
    """The layers in an order of `ORDERS`."""
    return tuple(sorted(layers, key=ORDERS[order]))
