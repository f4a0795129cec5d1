"""The forward pass as data: what is computed from what, so that an engine can compute a part of it, or otherwise.

A family writes its forward pass down once, as a `Flow` of operations; `Graph.run` computes it with the modules as they
are. Values are named after the module that gives them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NewType, Protocol, cast

from torch import Tensor, nn

from primesvt_core.layers.attention import spiking_self_attention
from primesvt_core.layers.flatten_time import flatten_time

Signal = NewType("Signal", str)
"""Name of a tensor that the forward pass computes."""

INPUT = Signal("input")
"""What `SpikingModel.encode` returns: ``(T, B, C, H, W)``."""


class Op(Protocol):
    """One operation, from tensors ``(T, B, ...)`` to one such tensor."""

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        """Whose weights it uses."""

    def __call__(self, *inputs: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Stateless:
    """Modules one after another, on every time step alone: a layer and its BatchNorm, a pooling."""

    modules: tuple[nn.Module, ...]

    def __call__(self, *inputs: Tensor) -> Tensor:
        (x,) = inputs
        return flatten_time(self._chain, x)

    def _chain(self, x: Tensor) -> Tensor:
        for module in self.modules:
            x = module(x)
        return x


@dataclass(frozen=True)
class Fire:
    """A neuron over all time steps, from rest: currents to spikes of the same shape."""

    neuron: nn.Module

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        return (self.neuron,)

    def __call__(self, *inputs: Tensor) -> Tensor:
        (x,) = inputs
        spikes: Tensor = self.neuron(x)
        return spikes


@dataclass(frozen=True)
class Add:
    """The sum of its inputs, from the first to the last."""

    modules: tuple[nn.Module, ...] = ()

    def __call__(self, *inputs: Tensor) -> Tensor:
        total, *others = inputs
        for other in others:
            total = total + other
        return total


@dataclass(frozen=True)
class Attend:
    """Spiking self-attention of queries, keys and values: `spiking_self_attention`."""

    num_heads: int
    scale: float
    modules: tuple[nn.Module, ...] = ()

    def __call__(self, *inputs: Tensor) -> Tensor:
        q, k, v = inputs
        return spiking_self_attention(q, k, v, num_heads=self.num_heads, scale=self.scale)


@dataclass(frozen=True)
class Channels:
    """A run of channels: ``(T, B, C, ...) -> (T, B, width, ...)``."""

    start: int
    width: int
    modules: tuple[nn.Module, ...] = ()

    def __call__(self, *inputs: Tensor) -> Tensor:
        (x,) = inputs
        return x.narrow(2, self.start, self.width)


@dataclass(frozen=True)
class Planes:
    """Tokens ``(T, B, C, N)`` in the height and width of another value, of which only the shape is used."""

    modules: tuple[nn.Module, ...] = ()

    def __call__(self, *inputs: Tensor) -> Tensor:
        x, like = inputs
        return x.view(*x.shape[:3], *like.shape[3:])


@dataclass(frozen=True)
class Multiplies:
    """That an operation multiplies values with each other, as attention does.

    Attributes:
        place: of the input to whose channels the number of multiply-accumulates is proportional.
        times: from the inputs to the multiply-accumulates for each of those channels; those of that input, element by
            element, unless given.
    """

    place: int = 0
    times: Callable[..., int] | None = None

    def per_channel(self, inputs: Sequence[Tensor]) -> int:
        """Multiply-accumulates for every channel of `place`, of inputs ``(T, B, C, ...)``."""
        one = inputs[self.place]
        return self.times(*inputs) if self.times else one.numel() // one.shape[2]


@dataclass(frozen=True)
class Apply:
    """Any other function of tensors ``(T, B, ...)``.

    Attributes:
        function: the function.
        modules: whose weights it uses.
        by_channel: whether each channel of the result depends on that channel alone, and is 0 where any input's is 0.
        multiplies: whether it multiplies values with each other.
    """

    function: Callable[..., Tensor]
    modules: tuple[nn.Module, ...] = ()
    by_channel: bool = False
    multiplies: Multiplies | None = None

    def __call__(self, *inputs: Tensor) -> Tensor:
        return self.function(*inputs)


@dataclass(frozen=True)
class Node:
    """One operation in its place.

    Attributes:
        value: what it gives.
        op: the operation.
        inputs: what it takes.
        tensors: prefixes of the state dict entries that it uses.
    """

    value: Signal
    op: Op
    inputs: tuple[Signal, ...]
    tensors: tuple[str, ...]

    def uses(self, tensor: str) -> bool:
        """Whether it uses the state dict entry ``tensor``."""
        return any(tensor.startswith(f"{prefix}.") or tensor == prefix for prefix in self.tensors)


@dataclass(frozen=True)
class Graph:
    """A forward pass.

    Attributes:
        nodes: every one behind those whose values it takes.
        output: the logits, ``(B, num_classes)``.
    """

    nodes: tuple[Node, ...]
    output: Signal

    @cached_property
    def last_uses(self) -> Mapping[Signal, Node]:
        """The last node that takes each value; the output is not among them."""
        return {value: node for node in self.nodes for value in node.inputs if value != self.output}

    def run(self, x: Tensor) -> Tensor:
        """Encoded images ``(T, B, C, H, W)`` to logits, by the modules as they are."""
        return self.values(x, (self.output,))[self.output]

    def values(self, x: Tensor, wanted: Collection[Signal]) -> dict[Signal, Tensor]:
        """The values of these names, computed from encoded images by the modules as they are, and no further.

        Raises:
            KeyError: if no node gives a value of that name.
        """
        values, left = {INPUT: x}, {*wanted}
        for node in self.nodes if left else ():
            values[node.value] = node.op(*(values[name] for name in node.inputs))
            left.discard(node.value)
            if not left:
                break
            for name in {*node.inputs}.difference(wanted):
                if self.last_uses.get(name) is node:
                    del values[name]
        return {name: values[name] for name in wanted}


class Part(nn.Module):
    """A piece of a network, which writes its own forward pass down."""

    def define(self, flow: Flow, x: Signal) -> Signal:
        """Add what it computes from ``x`` to ``flow``; returns what it gives."""
        raise NotImplementedError


class Flow:
    """Writes a forward pass down, operation by operation, in the order in which it is computed."""

    def __init__(self, model: nn.Module) -> None:
        self._names = {module: name for name, module in model.named_modules()}
        self._parameters = {id(parameter): name for name, parameter in model.named_parameters()}
        self._nodes: list[Node] = []
        self._given: dict[str, int] = {}

    def run(self, x: Signal, *modules: nn.Module) -> Signal:
        """Stateless modules one after another on every time step; containers are opened."""
        chain = tuple(leaf for module in modules for leaf in _opened(module))
        return self._add(self._names[modules[0]], Stateless(chain), (x,), chain) if chain else x

    def through(self, x: Signal, *parts: nn.Module) -> Signal:
        """Parts of the network, one after another."""
        for part in parts:
            x = cast("Part", part).define(self, x)
        return x

    def fire(self, x: Signal, neuron: nn.Module) -> Signal:
        """A neuron over all time steps."""
        return self._add(self._names[neuron], Fire(neuron), (x,), (neuron,))

    def add(self, *terms: Signal) -> Signal:
        """The sum of values."""
        return self._add("sum", Add(), terms)

    def tokens(self, x: Signal) -> Signal:
        """Positions in one dimension: ``(T, B, C, H, W)`` to ``(T, B, C, N)``."""
        return self.apply("tokens", lambda y: y.flatten(3), x, by_channel=True)

    def planes(self, x: Signal, like: Signal) -> Signal:
        """The inverse of `tokens`, with the height and width of ``like``."""
        return self._add("planes", Planes(), (x, like))

    def split(self, x: Signal, widths: Sequence[int]) -> tuple[Signal, ...]:
        """Channels ``(T, B, C, ...)`` in runs of the given widths."""
        starts = [sum(widths[:index]) for index in range(len(widths))]
        return tuple(
            self._add("split", Channels(start, width), (x,)) for start, width in zip(starts, widths, strict=True)
        )

    def attend(self, q: Signal, k: Signal, v: Signal, *, num_heads: int, scale: float) -> Signal:
        """Spiking self-attention: ``(T, B, C, N)`` each."""
        return self._add("attention", Attend(num_heads, scale), (q, k, v))

    def apply(
        self,
        name: str,
        function: Callable[..., Tensor],
        *values: Signal,
        modules: Sequence[nn.Module] = (),
        parameters: Sequence[nn.Parameter] = (),
        by_channel: bool = False,
        multiplies: Multiplies | None = None,
    ) -> Signal:
        """Any other function of values: `Apply`; ``modules`` and ``parameters`` are those that it uses."""
        names = tuple(self._parameters[id(parameter)] for parameter in parameters)
        return self._add(name, Apply(function, tuple(modules), by_channel, multiplies), values, modules, names)

    def graph(self, output: Signal) -> Graph:
        """What has been written down."""
        return Graph(tuple(self._nodes), output)

    def _add(
        self,
        name: str,
        op: Op,
        inputs: Sequence[Signal],
        modules: Sequence[nn.Module] = (),
        parameters: Sequence[str] = (),
    ) -> Signal:
        count = self._given[name] = self._given.get(name, 0) + 1
        value = Signal(name if count == 1 else f"{name}#{count}")
        tensors = (*(self._names[module] for module in modules), *parameters)
        self._nodes.append(Node(value, op, tuple(inputs), tensors))
        return value


def _opened(module: nn.Module) -> Iterator[nn.Module]:
    """The modules of nested containers, in order."""
    if isinstance(module, nn.Sequential):
        for child in module:
            yield from _opened(child)
    elif not isinstance(module, nn.Identity):
        yield module
