"""Functions of a graph's `Apply` as expressions, found by running them on stand-ins for tensors."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from primesvt_core.codegen.places import attribute
from primesvt_core.codegen.sources import Hole, Source, is_compound, joined
from primesvt_core.errors import ExportError
from primesvt_core.layers.graph import Apply

OPERATORS: Mapping[object, str] = {
    operator.add: "+", operator.sub: "-", operator.mul: "*", operator.truediv: "/", operator.floordiv: "//",
    operator.matmul: "@",
    torch.mul: "*", torch.add: "+", "mul": "*", "add": "+",
}  # fmt: skip

WRAPPERS: Mapping[int, Callable[[Callable[..., Any]], Callable[..., Any]]] = {
    1: lambda f: lambda a: f(a),
    2: lambda f: lambda a, b: f(a, b),
    3: lambda f: lambda a, b, c: f(a, b, c),
}
"""By the number of inputs: stand-ins are made for named arguments alone."""


USUAL_ARGUMENTS: Mapping[str, object] = {"dilation": 1, "ceil_mode": False, "return_indices": False}
"""That torch writes out where nobody gave them."""


@dataclass(frozen=True)
class Scope:
    """Where an expression stands.

    Attributes:
        path: of the part that computes it.
        model: in which that is.
        assign: gives what is used more than once a name, and returns it.
        tensors: is told the parameters and buffers that are used.
    """

    path: str
    model: nn.Module
    assign: Callable[[Source], str]
    tensors: set[str]


def formula(name: str, op: Apply, inputs: Sequence[Source], scope: Scope) -> Source:
    """The expression that an operation computes.

    Args:
        name: of the value that it gives, for errors.
        op: the operation.
        inputs: what its inputs are called.
        scope: where it stands.

    Raises:
        ExportError: if it does what no expression of tensors and modules says.
    """
    tracer = _Tracer(scope.model)
    try:
        graph = tracer.trace(WRAPPERS[len(inputs)](op.function))
        names = dict(zip((node for node in graph.nodes if node.op == "placeholder"), inputs, strict=True))
        return _Writer(scope, names).result(graph)
    except (TypeError, ValueError, KeyError, RuntimeError, fx.proxy.TraceError) as error:
        raise ExportError(f"{name} cannot be written as an expression: {str(error).splitlines()[0]}") from error


class _Tracer(fx.Tracer):
    """Knows modules, parameters and buffers by their names in the model, and enters none of them."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.modules = {id(module): path for path, module in model.named_modules()}
        self.tensors = {
            id(tensor): (path, tensor) for path, tensor in (*model.named_parameters(), *model.named_buffers())
        }

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return True

    def path_of_module(self, mod: nn.Module) -> str:
        return str(self.modules[id(mod)])

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """A tensor of the model stays what it is, unless it is used (`create_arg`)."""
        return self.stand_in(attr_val) if isinstance(attr_val, Tensor) else attr_val

    def stand_in(self, tensor: Tensor) -> fx.Proxy:
        """For a tensor of the model, or for one in another shape."""
        if id(tensor) in self.tensors:
            return self.create_proxy("get_attr", self.tensors[id(tensor)][0], (), {})
        for path, known in self.tensors.values():
            if known.data_ptr() == tensor.data_ptr() and known.numel() == tensor.numel():
                found: fx.Proxy = self.create_proxy("get_attr", path, (), {}).view(*tensor.shape)
                return found
        raise ValueError("it uses a tensor that is no parameter and no buffer")

    def create_arg(self, a: Any) -> Any:
        return self.stand_in(a).node if isinstance(a, Tensor) else super().create_arg(a)


class _Writer:
    def __init__(self, scope: Scope, names: dict[fx.Node, Source]) -> None:
        self.scope, self.names = scope, names

    def result(self, graph: fx.Graph) -> Source:
        """What a graph returns."""
        (output,) = (node for node in graph.nodes if node.op == "output")
        return self.written(output.args[0])

    def written(self, value: Any, *, inside: bool = False) -> Source:
        """An argument; ``inside`` another expression, so that what has operators gets parentheses."""
        if isinstance(value, fx.Node):
            found = self.expression(value)
            return ("(", *found, ")") if inside and is_compound(found) else found
        if isinstance(value, tuple | list):
            return ("(", *joined(", ", [self.written(each) for each in value]), ",)" if len(value) == 1 else ")")
        if isinstance(value, int | float) and not isinstance(value, bool):
            return (Hole(value),)
        if value is None or isinstance(value, bool):
            return (repr(value),)
        raise ValueError(f"it uses a {type(value).__name__}")

    def expression(self, node: fx.Node) -> Source:
        """What a node gives."""
        if node not in self.names and _is_worth_a_name(node):
            self.names[node] = (self.scope.assign(self.computed(node)),)
        return self.names[node] if node in self.names else self.computed(node)

    def computed(self, node: fx.Node) -> Source:
        """How a node is computed."""
        if node.op == "get_attr":
            self.scope.tensors.add(str(node.target))
            return (attribute(self.scope.path, str(node.target)),)
        if node.op == "call_module":
            return (attribute(self.scope.path, str(node.target)), *self.arguments(node.args, node.kwargs))
        if node.op == "call_method" and _symbol(node) is None:
            given = self.arguments(node.args[1:], node.kwargs)
            return (*self.written(node.args[0], inside=True), f".{node.target}", *given)
        return self.called(node)

    def called(self, node: fx.Node) -> Source:
        """An operator's or a function's result."""
        if symbol := _symbol(node):
            left, right = (self.written(each, inside=True) for each in node.args)
            return (*left, f" {symbol} ", *right)
        if node.target is getattr:
            return (*self.written(node.args[0], inside=True), f".{node.args[1]}")
        if node.target is operator.getitem:
            return (*self.written(node.args[0], inside=True), "[", *self.written(node.args[1]), "]")
        unusual = {key: value for key, value in node.kwargs.items() if (key, value) not in USUAL_ARGUMENTS.items()}
        return (_function(node.target), *self.arguments(node.args, unusual))

    def arguments(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Source:
        """Of a call, with parentheses."""
        written = [self.written(each) for each in args]
        written += [(f"{key}=", *self.written(each)) for key, each in kwargs.items()]
        return ("(", *joined(", ", written), ")")


def _symbol(node: fx.Node) -> str | None:
    is_binary = node.op in ("call_function", "call_method") and len(node.args) == 2 and not node.kwargs
    return OPERATORS.get(node.target) if is_binary else None


def _is_worth_a_name(node: fx.Node) -> bool:
    """Whether it is used more than once, and is no size or tensor of the model."""
    return len(node.users) > 1 and node.op.startswith("call_") and not _is_size(node)


def _is_size(node: Any) -> bool:
    """Whether it is a tensor's shape, or one of its sizes."""
    if not isinstance(node, fx.Node) or node.op != "call_function":
        return False
    if node.target is getattr:
        return node.args[1] == "shape"
    return node.target is operator.getitem and _is_size(node.args[0])


def _function(target: Any) -> str:
    name = getattr(target, "__name__", "")
    if getattr(torch, name, None) is target:
        return f"torch.{name}"
    found = next((key for key, value in vars(functional).items() if value is target and not key.startswith("_")), None)
    if found is None:
        raise ValueError(f"it calls {name or target}, which is no function of torch")
    return f"nn.functional.{found}"
