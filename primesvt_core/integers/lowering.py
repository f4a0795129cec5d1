"""From a model's graph to operations on integers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from primesvt_core.checkpoints.precisions import Encoded
from primesvt_core.errors import ExportError
from primesvt_core.integers import format as fmt
from primesvt_core.integers.classifying import classifier
from primesvt_core.integers.folding import Folded, bits, fold, scalar_threshold
from primesvt_core.integers.neurons import Leak, leak
from primesvt_core.integers.recognising import Recognised, recognise
from primesvt_core.layers.graph import INPUT, Add, Apply, Attend, Channels, Fire, Node, Planes, Signal, Stateless
from primesvt_core.layers.model import SpikingModel
from primesvt_core.layers.pointwise import PointwiseConv1d, PointwiseConv2d, PointwiseLinear

POINTWISE = (PointwiseLinear, PointwiseConv1d, PointwiseConv2d)


@dataclass(frozen=True)
class _Numbers:
    """Integers that are known to lie in a range."""

    kind: str
    low: int
    high: int


@dataclass(frozen=True)
class _Currents:
    """What a layer gives to its neurons."""

    path: str
    layer: nn.Module
    norm: _BatchNorm | None
    source: Signal
    pool: fmt.Pool | None = None


@dataclass(frozen=True)
class _Product:
    """What is multiplied or summed, and fires: without a layer."""

    make: Callable[[fmt.Neuron, str], fmt.Operation]
    scale: float
    largest: int


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How numbers become integers.

    Attributes:
        image_bits: bits of an image's numbers behind the point.
        image_range: smallest and largest of them.
        bias_bits: bits of biases and thresholds behind a unit, beside those that the leak needs.
    """

    image_bits: int
    image_range: tuple[int, int]
    bias_bits: int


@dataclass
class Lowering:
    """Writes operations and tensors.

    Attributes:
        model: to write.
        time_steps: that it runs.
        shapes: of all values, for one image.
        stored: weights that its file has as integers.
        settings: how numbers become integers.
        operations: so far.
        tensors: so far.
    """

    model: SpikingModel
    time_steps: int
    shapes: Mapping[Signal, tuple[int, ...]]
    stored: Mapping[str, Encoded]
    settings: Settings
    operations: list[fmt.Operation] = field(default_factory=list)
    tensors: dict[str, NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.paths = {id(module): path for path, module in self.model.named_modules()}
        self.known: dict[Signal, _Numbers | _Currents | _Product] = {
            INPUT: _Numbers("image", *self.settings.image_range)
        }

    def run(self) -> None:
        """Write the whole graph.

        Raises:
            ExportError: naming the first operation that integers cannot do.
        """
        for node in self.model.graph.nodes:
            self._write(node)

    def _write(self, node: Node) -> None:
        op = node.op
        if isinstance(op, Stateless):
            self.known[node.value] = self._stateless(node, op)
        elif isinstance(op, Fire):
            self._fire(node, op)
        elif isinstance(op, Add):
            self._add(node)
        elif isinstance(op, Attend):
            self._attend(node, op)
        elif isinstance(op, Channels):
            self._append(fmt.Split(input=node.inputs[0], start=op.start, width=op.width, output=node.value), node)
        elif isinstance(op, Planes):
            self._append(fmt.Reshaped(input=node.inputs[0], like=node.inputs[1], output=node.value), node)
        else:
            assert isinstance(op, Apply)  # noqa: S101  # the graph has no other
            self._apply(node, recognise(node.value, op, self.model, len(node.inputs)))

    def _append(self, operation: fmt.Operation, node: Node) -> None:
        """An operation that changes no number of its first input."""
        self.operations.append(operation)
        self.known[node.value] = self._numbers(node.inputs[0], node)

    def _numbers(self, value: Signal, node: Node) -> _Numbers:
        found = self.known[value]
        if isinstance(found, _Numbers):
            return found
        layer = found.path if isinstance(found, _Currents) else value
        raise ExportError(
            f"integer: {node.value} takes the currents of {layer}, which have another unit in every channel and are no"
            " integers of one kind; the format holds networks whose layers, sums and products take spikes or sums of"
            " spikes"
        )

    def _stateless(self, node: Node, op: Stateless) -> _Numbers | _Currents:
        before = self.known[node.inputs[0]]
        modules = list(op.modules)
        pool = _pool(modules.pop()) if isinstance(modules[-1], nn.MaxPool2d) else None
        if not modules and isinstance(before, _Currents) and before.pool is None:
            return replace(before, pool=pool)
        source = self._numbers(node.inputs[0], node)
        if not modules and pool is not None and source.kind != "image":
            self.operations.append(fmt.Pooled(input=node.inputs[0], pool=pool, output=node.value))
            return source
        last = modules[-1] if modules else None
        norm = last if isinstance(last, _BatchNorm) else None
        modules = modules[:-1] if norm is not None else modules
        if len(modules) != 1 or not isinstance(modules[0], nn.Conv2d | nn.Conv1d | nn.Linear):
            names = ", ".join(type(module).__name__ for module in op.modules)
            raise ExportError(
                f"integer: {node.value} is {names}; the format holds one convolution or linear layer, its BatchNorm and"
                " a max-pooling, before neurons"
            )
        path = self.paths[id(modules[0])]
        return _Currents(path, modules[0], norm, node.inputs[0], pool)

    def _fire(self, node: Node, op: Fire) -> None:
        before, forgets = self.known[node.inputs[0]], leak(self.paths[id(op.neuron)], op.neuron)
        if isinstance(before, _Currents):
            self.operations.append(self._layer(node, before, forgets))
        elif isinstance(before, _Product):
            fraction = self.settings.bias_bits + forgets.exact_bits(self.time_steps)
            threshold = scalar_threshold(forgets.threshold, before.scale, fraction)
            tensor = self._tensor(f"{node.value}.threshold", np.array([threshold], np.int64))
            neuron = self._neuron(forgets, tensor, fraction, max(before.largest << fraction, threshold))
            self.operations.append(before.make(neuron, node.value))
        else:
            raise ExportError(f"integer: {node.value} fires on spikes or sums of spikes without a layer between")
        self.known[node.value] = _Numbers("spikes", 0, 1)

    def _layer(self, node: Node, currents: _Currents, forgets: Leak) -> fmt.Layer:
        path, layer, source = currents.path, currents.layer, self._numbers(currents.source, node)
        folded = fold(path, layer, currents.norm, self.stored, forgets.threshold)
        if source.kind == "image":  # whose units are fractions
            unit = 2.0**-self.settings.image_bits
            folded = Folded(folded.weight, folded.scale * unit, folded.bias / unit)
        exact = forgets.exact_bits(self.time_steps)
        fraction = self.settings.bias_bits + exact
        bias, threshold = folded.bias_integers(exact, fraction), folded.thresholds(forgets.threshold, fraction)
        weight = folded.weight.reshape(folded.weight.shape[:2]) if isinstance(layer, POINTWISE) else folded.weight
        sums = np.abs(folded.weight.reshape(len(weight), -1).astype(np.int64)).sum(axis=1)
        accumulator = int(sums.max()) * max(abs(source.low), abs(source.high))
        largest = (accumulator << fraction) + int(np.abs(bias).max())
        names = {
            "weight": self._tensor(f"{path}.weight", weight),
            "bias": self._tensor(f"{path}.bias", bias),
            "scale": self._tensor(f"{path}.scale", folded.scale.astype(np.float32)),
        }
        neuron = self._neuron(forgets, self._tensor(f"{path}.threshold", threshold), fraction,
                              max(largest, int(threshold.max())))  # fmt: skip
        return fmt.Layer(
            name=path, input=currents.source, input_kind=source.kind, input_range=(source.low, source.high),
            kind="pointwise" if isinstance(layer, POINTWISE) else "convolution", **names, **_geometry(path, layer),
            accumulator_bits=bits(accumulator), pool=currents.pool, neuron=neuron, output=node.value,
        )  # fmt: skip

    def _neuron(self, forgets: Leak, threshold: str, fraction: int, largest: int) -> fmt.Neuron:
        times = 1 if forgets.shift is not None and forgets.decay_input else self.time_steps
        return fmt.Neuron(
            threshold=threshold, fraction_bits=fraction, leak_shift=forgets.shift, decay_input=forgets.decay_input,
            membrane_bits=bits(largest * times),
        )  # fmt: skip

    def _add(self, node: Node) -> None:
        terms = [self._numbers(value, node) for value in node.inputs]
        self.operations.append(fmt.Add(inputs=tuple(node.inputs), output=node.value))
        self.known[node.value] = _Numbers("integers", sum(t.low for t in terms), sum(t.high for t in terms))

    def _attend(self, node: Node, op: Attend) -> None:
        for value in node.inputs:
            self._spikes(value, node)
        q, k, v = node.inputs

        def make(neuron: fmt.Neuron, output: str) -> fmt.Operation:
            return fmt.Attention(q=q, k=k, v=v, heads=op.num_heads, scale=op.scale, neuron=neuron, output=output)

        self.known[node.value] = _Product(make, op.scale, self._width(k, op.num_heads) * self.shapes[k][3])

    def _width(self, value: Signal, heads: int) -> int:
        """Channels of a head."""
        return self.shapes[value][2] // heads

    def _spikes(self, value: Signal, node: Node) -> None:
        if self._numbers(value, node).kind != "spikes":
            raise ExportError(f"integer: {node.value} multiplies integers, not spikes")

    def _apply(self, node: Node, found: Recognised) -> None:
        first = node.inputs[0]
        if found.kind == "tokens":
            self._append(fmt.Reshaped(input=first, like=None, output=node.value), node)
        elif found.kind == "totals":
            self._spikes(first, node)

            def make(neuron: fmt.Neuron, output: str) -> fmt.Operation:
                return fmt.Totals(input=first, heads=found.heads, neuron=neuron, output=output)

            self.known[node.value] = _Product(
                make, 1.0, self._width(first, found.heads) if found.heads else self.shapes[first][3]
            )
        elif found.kind == "mask":
            mask, source = node.inputs
            self._spikes(mask, node)
            self.operations.append(fmt.Mask(mask=mask, input=source, heads=found.heads, output=node.value))
            self.known[node.value] = self._numbers(source, node)
        else:
            self._numbers(first, node)
            path = found.path or ""
            summed = self.time_steps * prod(self.shapes[first][3:])
            operation, tensors = classifier(
                path, self.model.get_submodule(path), self.stored, first, node.value, summed
            )
            self.tensors |= tensors
            self.operations.append(operation)

    def _tensor(self, name: str, array: NDArray[Any]) -> str:
        self.tensors[name] = array
        return name


def _pool(module: Any) -> fmt.Pool:
    settings = (module.kernel_size, module.stride, module.padding, module.dilation)
    kernel, stride, padding, dilation = (each if isinstance(each, int) else each[0] for each in settings)
    if dilation != 1 or module.ceil_mode:
        raise ExportError("integer: the format holds max-pooling without dilation and without ceil_mode")
    return fmt.Pool(kernel=kernel, stride=stride, padding=padding)


def _geometry(path: str, layer: nn.Module) -> dict[str, int]:
    """Of a convolution with the same sides both ways."""
    if isinstance(layer, POINTWISE) or not isinstance(layer, nn.Conv2d):
        return {}
    found: dict[str, int] = {"groups": layer.groups}
    for name in ("stride", "padding", "dilation"):
        value = getattr(layer, name)
        if not isinstance(value, tuple) or len({*value}) != 1 or layer.padding_mode != "zeros":
            raise ExportError(f"integer: the {name} of {path} is {value}; the format holds one number and zeros around")
        found[name] = value[0]
    return found
