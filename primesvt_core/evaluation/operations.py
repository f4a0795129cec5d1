"""What a model computes for its images: accumulates that spikes cause, multiply-accumulates where there are none.

Whether a layer sees spikes is read off the model's graph (what it sees comes from neurons, by way of nothing that has
weights) and off the values (whole numbers, once a neuron's norm is taken out): a mean of spikes is none.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d
from torch.nn.modules.conv import _ConvNd

from primesvt_core.costs.operations import Operations
from primesvt_core.data import Batch
from primesvt_core.engines.pieces import at_a_time
from primesvt_core.layers.graph import Fire, Graph, Node, Signal, Stateless
from primesvt_core.layers.model import SpikingModel
from primesvt_core.layers.neurons import MultiLevelNeuron

IMAGES = 64
"""Of the search split, the first ones, that operations are averaged over: of so many the mean is good to a percent."""

SLACK = 1e-3
"""By which a level may miss a whole number, after rounding in single precision."""


class _Counts:
    """Sums over images, by the name of a layer's weight."""

    def __init__(self) -> None:
        self.by_spikes: dict[str, float] = defaultdict(float)
        self.multiplied: dict[str, float] = defaultdict(float)
        self.without: set[str] = set()  # layers that have seen something else than spikes

    def add(self, name: str, module: nn.Linear | _ConvNd, norm: int | None, x: Tensor, output: Tensor) -> None:
        """What a layer computes for one input; ``norm``: of the neurons that it comes from, None if from others."""
        self.multiplied[name] += output.numel() * math.prod(module.weight.shape[1:])
        levels = None if norm is None else x * norm
        if levels is None or not _are_levels(levels):
            self.without.add(name)
        else:
            self.by_spikes[name] += accumulates(module, levels)


def operations(model: SpikingModel, batches: Iterable[Batch], attention: float) -> Operations:
    """Count what a model computes for one image, the mean over images.

    Args:
        model: in eval mode, on its device.
        batches: images or frames.
        attention: multiply-accumulates of values with each other, which values do not change.
    """
    device, counts, images = next(model.parameters()).device, _Counts(), 0
    with torch.inference_mode(), _counting(model, counts):
        for batch in batches:
            x = torch.from_numpy(batch.images).to(device)
            some = len(x) if model.depends_on_batch else at_a_time(model, x.shape[-2] * x.shape[-1])
            for piece in torch.split(x, some):
                model(_every_step(model, piece))
            images += len(x)
    spiking = {name: total / images for name, total in counts.by_spikes.items() if name not in counts.without}
    others = {name: total / images for name, total in counts.multiplied.items() if name not in spiking}
    return Operations(by_spikes=spiking, multiplied=others, attention=attention)


def _every_step(model: SpikingModel, x: Tensor) -> Tensor:
    """Images as frames: an image that is shown is computed at every time step, where a model would compute it once."""
    return x.unsqueeze(1).expand(-1, model.time_steps, -1, -1, -1).contiguous() if x.dim() == 4 else x


def accumulates(module: nn.Linear | _ConvNd, levels: Tensor) -> float:
    """How many weights a layer adds up: over its inputs, the level times the outputs that it reaches.

    Args:
        module: the layer.
        levels: its input as whole numbers: ``(M, C, H, W)``, tokens ``(M, C, N)``, or of a plain linear layer
            ``(..., C)``.
    """
    outputs = module.weight.shape[0]
    if isinstance(module, nn.Conv2d) and levels.dim() == 4:
        groups = module.groups
        summed = levels.reshape(len(levels), groups, -1, *levels.shape[2:]).sum(2)
        kernel = torch.ones(groups, 1, *module.kernel_size, dtype=levels.dtype, device=levels.device)
        reached = conv2d(
            summed, kernel, stride=module.stride, padding=module.padding, dilation=module.dilation, groups=groups
        )
        return float(reached.sum(dtype=torch.float64)) * (outputs // groups)
    if math.prod(module.weight.shape[2:]) != 1:
        raise TypeError(
            f"a {type(module).__name__} whose kernel is larger than 1 is not counted on {levels.dim()} axes"
        )
    return float(levels.sum(dtype=torch.float64)) * outputs


def _are_levels(levels: Tensor) -> bool:
    return bool((levels >= 0).all()) and bool(((levels - levels.round()).abs() <= SLACK).all())


@contextmanager
def _counting(model: SpikingModel, counts: _Counts) -> Iterator[None]:
    norms = norms_seen(model)

    def count(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            assert isinstance(module, nn.Linear | _ConvNd)  # noqa: S101
            counts.add(f"{name}.weight", module, norms.get(module), inputs[0], output)

        return hook

    layers = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.Linear | _ConvNd)]
    hooks = [module.register_forward_hook(count(name)) for name, module in layers]
    try:
        yield
    finally:
        for handle in hooks:
            handle.remove()


def norms_seen(model: SpikingModel) -> Mapping[nn.Module, int]:
    """Of every layer that may see spikes, the norm of the neurons that these come from."""
    norms = _norms(model.graph)
    found: dict[nn.Module, int] = {}
    for node in model.graph.nodes:
        norm = _common(norms.get(name) for name in node.inputs)
        for module in node.op.modules:
            if norm is not None and isinstance(module, nn.Linear | _ConvNd):
                found[module] = norm
            if isinstance(node.op, Stateless) and _has_weights(module):
                break  # what comes after it in the chain sees no spikes
    return found


def _norms(graph: Graph) -> Mapping[Signal, int | None]:
    """Of every value that comes from neurons alone, their norm; None of others."""
    found: dict[Signal, int | None] = {}
    for node in graph.nodes:
        if isinstance(node.op, Fire):
            found[node.value] = node.op.neuron.norm if isinstance(node.op.neuron, MultiLevelNeuron) else 1
        else:
            found[node.value] = None if _is_weighted(node) else _common(found.get(name) for name in node.inputs)
    return found


def _is_weighted(node: Node) -> bool:
    """Whether an operation has parameters, its own or its modules'."""
    own = len(node.tensors) > len(node.op.modules)
    return own or any(_has_weights(module) for module in node.op.modules)


def _has_weights(module: nn.Module) -> bool:
    return any(True for _ in module.parameters())


def _common(norms: Iterable[int | None]) -> int | None:
    """The one of all; None if they differ."""
    distinct = set(norms)
    return distinct.pop() if len(distinct) == 1 else None
