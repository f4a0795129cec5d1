"""Layers that lose columns, and their tensors once they are refitted: what the least-squares repairs share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from primesvt_core.pruning.consumers import Reading, consumers, reading
from primesvt_core.repairs._base import Fitting
from primesvt_core.repairs._ridge import Sums, refit, sums_of
from primesvt_core.types import Plan

RIDGE = 1e-3
"""Of the closed form, in mean variances of an input."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Refitted:
    """A layer with the columns that a plan leaves it.

    Attributes:
        reading: the layer.
        kept: ``(groups, n)``: its columns that are left, of every convolution group as many.
        filters: ``(groups, fan_in, rows of a group)`` float64: the original's.
    """

    reading: Reading
    kept: Tensor
    filters: Tensor

    @property
    def has_constant(self) -> bool:
        """Whether a constant can be added to its results."""
        return self.reading.constant is not None

    def left(self, filters: Tensor) -> Tensor:
        """``(groups, n, rows)``: of filters for all columns those that are left."""
        return filters.gather(1, self.kept.unsqueeze(2).expand(-1, -1, filters.shape[2]))

    def tensors(self, state: Mapping[str, Tensor], filters: Tensor, constants: Tensor) -> dict[str, Tensor]:
        """Entries of the state dict: the filters ``(groups, n, rows)`` in their columns, the original's constant moved.

        The constant is always added to the original's, whatever was fitted before: nothing is counted twice.
        """
        weight = state[self.reading.weight]
        whole = torch.zeros_like(self.filters)
        whole.scatter_(1, self.kept.unsqueeze(2).expand_as(filters), filters)
        found = {self.reading.weight: whole.transpose(1, 2).reshape(weight.shape).to(weight)}
        name = self.reading.constant
        if name is not None:
            sign = 1.0 if name == f"{self.reading.module}.bias" else -1.0
            before = state[name]
            found[name] = (before.to(constants) + sign * constants.flatten()).to(before)
        return found


def layer_of(fitting: Fitting, read: Reading, gone: Tensor | None = None) -> Refitted:
    """A layer without its columns ``gone``, counted over convolution groups."""
    weight = fitting.model.get_parameter(read.weight).detach().double()
    is_left = torch.ones(read.groups * read.fan_in, dtype=torch.bool, device=weight.device)
    if gone is not None:
        is_left[gone] = False
    columns = is_left.view(read.groups, read.fan_in)
    kept = columns.nonzero()[:, 1].view(read.groups, -1)  # as many in every group: parts of a group stay even
    filters = weight.reshape(read.groups, -1, read.fan_in).transpose(1, 2)
    return Refitted(reading=read, kept=kept, filters=filters)


def losing(fitting: Fitting, plan: Plan) -> dict[str, Refitted]:
    """The layers that lose columns by a plan, by their modules, in the order of the groups."""
    gone: dict[str, list[Tensor]] = {}
    for group in fitting.groups:
        removed = sorted({*range(group.size)} - {*plan.kept.get(group.name, range(group.size))})
        for consumer in consumers(group, fitting.model) if removed else ():
            gone.setdefault(consumer.module, []).append(consumer.columns[removed].flatten())
    return {
        module: layer_of(fitting, reading(module, fitting.model), torch.cat(columns))
        for module, columns in gone.items()
    }


def original_sums(fitting: Fitting, layers: Mapping[str, Refitted]) -> dict[str, Sums]:
    """What layers see in the original, all columns, and what they compute from it."""
    moments = fitting.calibration.moments([*layers])
    return {module: sums_of(moments[module], layer.filters) for module, layer in layers.items()}


def closed_forms(
    layers: Mapping[str, Refitted], sums: Mapping[str, Sums], *, restores_spread: bool = False
) -> dict[str, tuple[Tensor, Tensor]]:
    """Filters and constants of layers that keep some of the columns that sums are of."""
    return {
        module: refit(
            sums[module].left(layer.kept), layer.left(layer.filters),
            ridge=RIDGE, with_constant=layer.has_constant, restores_spread=restores_spread,
        )
        for module, layer in layers.items()
    }  # fmt: skip


def is_layer(module: nn.Module) -> bool:
    """Whether it has a weight that can be refitted."""
    return isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d)


def changes(
    fitting: Fitting, layers: Mapping[str, Refitted], found: Mapping[str, tuple[Tensor, Tensor]]
) -> dict[str, Tensor]:
    """Entries of the state dict for filters and constants."""
    return {
        name: tensor
        for module, fitted in found.items()
        for name, tensor in layers[module].tensors(fitting.state, *fitted).items()
    }
