"""Who reads a group's channels, and how: columns of weights, and what their rows become on the way to a neuron.

Criteria weigh a channel by what its consumers lose, repairs refit them; both think in the rows that
`calibration.Moments` sums over, and in currents, since a row of a weight means nothing before the BatchNorm behind it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from primesvt_core.layers.graph import Attend, Node, Signal, Stateless
from primesvt_core.layers.model import SpikingModel
from primesvt_core.pruning.groups import positions
from primesvt_core.types import ChannelGroup, TensorSlice


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """How a layer reads what it is given.

    Attributes:
        module: of the layer.
        groups: convolution groups; 1 of any other layer.
        fan_in: columns of a row; every group has so many of its own.
        scale: ``(rows,)`` float64: what the BatchNorms that follow directly multiply a row's result by; 1 where none
            does. With it a row is in units of the current that reaches the neuron, the stream, or the next layer.
        constant: the entry of the state dict that takes a constant added to the layer's result: its bias; without one
            the ``running_mean`` of the BatchNorm behind, from which the constant is subtracted; None where there is
            neither.
    """

    module: str
    groups: int
    fan_in: int
    scale: Tensor
    constant: str | None

    @property
    def weight(self) -> str:
        """Of the layer, in the state dict."""
        return f"{self.module}.weight"


@dataclass(frozen=True, kw_only=True, eq=False)
class Consumer(Reading):
    """A layer that reads a group's channels.

    Attributes:
        columns: ``(size, kernel)`` int64: where every channel of the group lies, its kernel positions together.
            Column ``i`` of convolution group ``g`` counts as ``g * fan_in + i``.
    """

    columns: Tensor


def reading(module: str, model: SpikingModel) -> Reading:
    """How the layer of that name reads."""
    layer, norms = model.get_submodule(module), list(_norms_behind(module, model))
    weight, bias = layer.get_parameter("weight"), getattr(layer, "bias", None)
    scale = torch.ones(len(weight), dtype=torch.float64, device=weight.device)
    for _, norm in norms:
        scale = scale * _factor(norm)
    if bias is not None:
        constant: str | None = f"{module}.bias"
    else:
        constant = f"{norms[0][0]}.running_mean" if norms else None
    return Reading(
        module=module, groups=_groups(layer), fan_in=math.prod(weight.shape[1:]), scale=scale, constant=constant
    )  # fmt: skip


def consumers(group: ChannelGroup, model: SpikingModel) -> tuple[Consumer, ...]:
    """Every layer with columns for the group's channels, in the order of its slices.

    A depthwise convolution has none: its rows go with their channels. Of a group whose channels reach no weight
    (queries and keys) there are none either: see `attention_of`.
    """
    found = []
    for piece in group.slices:
        module, _, entry = piece.tensor.rpartition(".")
        if piece.dim == 1 and entry == "weight":
            read = reading(module, model)
            found.append(Consumer(**vars(read), columns=_columns(piece, group, model.get_submodule(module), read)))
    return tuple(found)


def attention_of(group: ChannelGroup, model: SpikingModel) -> Node | None:
    """The self-attention in which the group's channels are queries and keys; None where there is none.

    Its first two inputs are the spikes of queries and keys ``(T, B, size, N)``, in the group's order of channels. Token
    attention, whose queries are only counted, is none.
    """
    if any(piece.dim == 1 for piece in group.slices):
        return None
    producers = {producer.rpartition(".")[0] for producer in group.producers}
    reached: set[Signal] = set()
    for node in model.graph.nodes:
        if isinstance(node.op, Attend) and {*node.inputs[:2]} & reached:
            return node
        if producers & {*node.tensors} or ({*node.inputs} & reached and not _has_layer(node)):
            reached.add(node.value)
    return None


def _has_layer(node: Node) -> bool:
    """Whether channels end there: a layer makes others of them."""
    return any(hasattr(module, "weight") and not isinstance(module, _BatchNorm) for module in node.op.modules)


def _columns(piece: TensorSlice, group: ChannelGroup, layer: nn.Module, read: Reading) -> Tensor:
    kernel = math.prod(layer.get_parameter("weight").shape[2:])
    if piece.shared:  # part p is convolution group p, whose columns are its channels in their order
        first = torch.arange(group.size) * kernel
    else:
        first = torch.tensor(positions(piece, group, range(group.size))) * kernel
    return (first[:, None] + torch.arange(kernel)).to(read.scale.device)


def _groups(layer: nn.Module) -> int:
    return layer.groups if isinstance(layer, nn.Conv1d | nn.Conv2d) else 1


def _norms_behind(module: str, model: SpikingModel) -> Iterator[tuple[str, _BatchNorm]]:
    """BatchNorms directly behind a layer, with their names."""
    for node in model.graph.nodes:
        if isinstance(node.op, Stateless) and module in node.tensors:
            place = node.tensors.index(module) + 1
            for name, follower in zip(node.tensors[place:], node.op.modules[place:], strict=True):
                norm = _as_norm(name, follower)
                if norm is None:
                    return
                yield norm


def _as_norm(name: str, module: nn.Module) -> tuple[str, _BatchNorm] | None:
    """A BatchNorm, or one inside a module that has no other weights."""
    norms = [(f"{name}.{inner}".rstrip("."), m) for inner, m in module.named_modules() if isinstance(m, _BatchNorm)]
    if len(norms) != 1 or len([*module.parameters()]) != len([*norms[0][1].parameters()]):
        return None
    return norms[0] if norms[0][1].running_var is not None else None


def _factor(norm: _BatchNorm) -> Tensor:
    """``gamma / sqrt(var + eps)``."""
    assert norm.running_var is not None  # noqa: S101  # `_as_norm` takes no other
    factor = (norm.running_var.double() + norm.eps).rsqrt()
    return factor if norm.weight is None else factor * norm.weight.detach().double()
