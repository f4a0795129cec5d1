"""Where a model computes: its forward pass on tensors without values, which costs neither weights nor time.

The image is the config's, shown all its time steps. Widths do not matter: what is found holds for every pruned model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from primesvt_core.families._base import Family, FamilyConfig
from primesvt_core.layers.graph import INPUT, Add, Apply, Attend, Channels, Fire, Graph, Node, Signal, Stateless
from primesvt_core.layers.model import SpikingModel
from primesvt_core.types import Geometry, Layer, Product


@dataclass(frozen=True)
class _Run:
    """Channels of a value that one layer has produced; their group is None where they are never pruned."""

    group: str | None
    width: int


def geometry(family: Family[FamilyConfig], config: FamilyConfig) -> Geometry:
    """Where a model of a config computes."""
    with torch.device("meta"), torch.no_grad():
        model = family.build(config).eval()
        image = torch.empty(config.time_steps, 1, config.in_channels, config.image_size, config.image_size)
        with _counted(model) as positions:
            products = tuple(_products(model.graph, image, family.layers(config)))
    return Geometry(positions=dict(positions), products=products)


@contextmanager
def _counted(model: SpikingModel) -> Iterator[Counter[str]]:
    """How often every weight is applied while this lasts."""
    positions: Counter[str] = Counter()

    def counting(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        def count(module: nn.Module, _inputs: object, output: Tensor) -> None:
            positions[f"{name}.weight"] += output.numel() // module.get_parameter("weight").shape[0]

        return count

    layers = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.Linear | _ConvNd)]
    hooks = [module.register_forward_hook(counting(name)) for name, module in layers]
    try:
        yield positions
    finally:
        for hook in hooks:
            hook.remove()


def _products(graph: Graph, image: Tensor, layers: Sequence[Layer]) -> Iterator[Product]:
    """Run a forward pass, neurons left out since they change no shape; what it multiplies beside its layers."""
    values: dict[Signal, Tensor] = {INPUT: image}
    produced: dict[Signal, tuple[_Run, ...]] = {INPUT: (_Run(None, image.shape[2]),)}
    runs = _runs(layers)
    for node in graph.nodes:
        inputs = [values[name] for name in node.inputs]
        sources = [produced[name] for name in node.inputs]
        if isinstance(node.op, Attend):
            q, _, v = inputs
            times = 2 * q.shape[0] * q.shape[3]  # k^T v, and q times that
            yield _product(times, [(sources[0], q), (sources[2], v)], node.op.num_heads)
        elif isinstance(node.op, Apply) and node.op.multiplies is not None:
            place = node.op.multiplies.place
            yield _product(node.op.multiplies.per_channel(inputs), [(sources[place], inputs[place])], 1)
        value = inputs[0] if isinstance(node.op, Fire) else node.op(*inputs)
        values[node.value], produced[node.value] = value, _produced(node, sources, runs)


def _product(times: int, factors: Sequence[tuple[tuple[_Run, ...], Tensor]], heads: int) -> Product:
    """A product of values, by the groups of their channels; those that are never pruned count as they are.

    Raises:
        ValueError: if a value's channels are of several groups.
    """
    groups: list[str] = []
    for runs, value in factors:
        of_value = {run.group for run in runs}
        if len(of_value) != 1:
            raise ValueError(f"a product of channels of several groups: {', '.join(sorted(map(str, of_value)))}")
        (group,) = of_value
        if group is None:
            times *= value.shape[2]
        else:
            groups.append(group)
    is_divided = len(groups) == len(factors)
    return Product(
        times=times if is_divided else times // heads, groups=tuple(groups), heads=heads if is_divided else 1
    )


def _runs(layers: Sequence[Layer]) -> Mapping[str, tuple[_Run, ...]]:
    """By the name of a weight, whose channels its rows are; of fused layers one run after another."""
    found: dict[str, tuple[_Run, ...]] = {}
    for layer in layers:
        weight = layer.tensors[0]
        found[weight] = (*found.get(weight, ()), _Run(layer.group, layer.rows or 0))
    return found


def _produced(
    node: Node, sources: Sequence[tuple[_Run, ...]], runs: Mapping[str, tuple[_Run, ...]]
) -> tuple[_Run, ...]:
    """Whose channels a value has."""
    op = node.op
    if isinstance(op, Stateless):
        weights = [runs[weight] for name in node.tensors if (weight := f"{name}.weight") in runs]
        return weights[-1] if weights else sources[0]
    if isinstance(op, Channels):
        start = 0
        for run in sources[0]:
            if (start, run.width) == (op.start, op.width):
                return (run,)
            start += run.width
        return sources[0]
    if isinstance(op, Attend):
        return sources[2]
    if isinstance(op, Add):
        return next((source for source in sources if len(source) == 1), sources[0])
    return sources[op.multiplies.place if isinstance(op, Apply) and op.multiplies is not None else 0]
