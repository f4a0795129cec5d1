"""Layers before and after a pruning, for a report."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from primesvt_core.pruning.sizes import layer_size
from primesvt_core.report.schema import LayerFigures
from primesvt_core.types import Layer, LayerSize, Rates, Shapes


def layer_figures(
    before: Iterable[LayerSize],
    layers: Iterable[Layer],
    rates: Rates,
    kept: Callable[[str, float], int],
    after: Shapes,
) -> tuple[LayerFigures, ...]:
    """Every layer before and after.

    Args:
        before: of the original, in the order of the report.
        layers: the same, as the family declares them.
        rates: of the pruned groups.
        kept: channels that a group keeps at a rate.
        after: of the pruned model's tensors.
    """

    def pruned(layer: Layer) -> LayerSize:
        if layer.rows is not None and layer.group is not None and layer.group in rates:
            layer = replace(layer, rows=kept(layer.group, rates[layer.group]))
        return layer_size(layer, after)

    sizes = {layer.name: pruned(layer) for layer in layers}
    return tuple(
        LayerFigures(
            name=layer.name,
            group=layer.group,
            shape_before=layer.shape,
            shape_after=sizes[layer.name].shape,
            parameters_before=layer.parameters,
            parameters_after=sizes[layer.name].parameters,
            parameter_bytes_before=layer.parameter_bytes,
            parameter_bytes_after=sizes[layer.name].parameter_bytes,
            rate=rates.get(layer.group or "", 0.0),
        )
        for layer in before
    )
