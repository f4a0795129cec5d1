"""Stateless operations as an engine computes them: BatchNorms folded into the layer before, channels last in memory.

Tensors keep their logical shapes ``(T, B, C, ...)``; that channels lie last is a matter of strides, so that whatever
the families compute between the layers works as it is.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeGuard

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear
from torch.nn.modules.batchnorm import _BatchNorm

from primesvt_core.engines.kernels import Kernels, SparseLayer, is_native, normalize, sparse_layer
from primesvt_core.layers.flatten_time import flatten_time
from primesvt_core.layers.pointwise import PointwiseConv1d, PointwiseLinear
from primesvt_core.pruning.patches import Patch

Step = Callable[[Tensor], Tensor]
FOLDABLE = (PointwiseLinear, PointwiseConv1d, nn.Conv2d)
"""Layers of which BatchNorms become a part."""

TOKENS = 4
"""Dimensions of ``(T, B, C, N)``."""


@dataclass(frozen=True)
class Pointwise:
    """A matrix product over the channels: ``(T, B, C, ...) -> (T, B, C', ...)``."""

    weight: Tensor
    bias: Tensor
    stride: int = 1
    kernels: Kernels = "torch"

    @cached_property
    def sparse(self) -> SparseLayer | None:
        """The same for inputs that are mostly zero."""
        return sparse_layer(self.weight[:, :, None, None], self.bias, 1, 0, self.kernels)

    def __call__(self, x: Tensor) -> Tensor:
        if self.stride > 1:
            x = x[..., :: self.stride, :: self.stride]
        rows = x.movedim(2, -1)
        found = self.sparse(rows) if self.sparse else None
        return (linear(rows, self.weight, self.bias) if found is None else found).movedim(-1, 2)

    def between(self, columns: Tensor | None, rows: Tensor | None) -> Pointwise:
        """The same from some of the input channels to some of the output channels; None: all of them."""
        return Pointwise(*_between(self.weight, self.bias, columns, rows), self.stride, self.kernels)


@dataclass(frozen=True)
class Convolution:
    """A convolution: ``(T, B, C, H, W) -> (T, B, C', H', W')``."""

    weight: Tensor
    bias: Tensor
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    groups: int
    kernels: Kernels = "torch"

    @cached_property
    def sparse(self) -> SparseLayer | None:
        """The same for inputs that are mostly zero, of a convolution without groups and with equal sides."""
        is_even = len({*self.stride}) == len({*self.padding}) == len({*self.weight.shape[2:]}) == 1
        if self.groups > 1 or not is_even:
            return None
        return sparse_layer(self.weight, self.bias, self.stride[0], self.padding[0], self.kernels)

    def __call__(self, x: Tensor) -> Tensor:
        found = self.sparse(x.movedim(2, -1)) if self.sparse else None
        if found is not None:
            return found.movedim(-1, 2)
        return flatten_time(self._dense, x)

    def _dense(self, x: Tensor) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        return conv2d(x, self.weight, self.bias, self.stride, self.padding, (1, 1), self.groups)

    def between(self, columns: Tensor | None, rows: Tensor | None) -> Convolution:
        """The same from some of the input channels to some of the output channels, of a convolution without groups."""
        weight, bias = _between(self.weight, self.bias, columns, rows)
        weight = weight.contiguous(memory_format=torch.channels_last)
        return Convolution(weight, bias, self.stride, self.padding, self.groups, self.kernels)


@dataclass(frozen=True)
class AsItIs:
    """A stateless module: ``(T, B, ...) -> (T, B, ...)``."""

    module: nn.Module

    def __call__(self, x: Tensor) -> Tensor:
        return flatten_time(self.module, x)


@dataclass(frozen=True)
class Normalization(AsItIs):
    """A BatchNorm with running statistics. Where channels lie last, torch computes that of tokens slowly; this computes
    the same, bit for bit.
    """

    @cached_property
    def values(self) -> list[Tensor]:
        """Mean, inverse of the standard deviation, weight and bias."""
        norm = self.module
        assert isinstance(norm, _BatchNorm)  # noqa: S101  # made of one
        assert norm.running_mean is not None and norm.running_var is not None  # noqa: S101, PT018
        inverse = 1 / torch.sqrt(norm.running_var + norm.eps)
        return [norm.running_mean, inverse, norm.weight.detach(), norm.bias.detach()]

    def __call__(self, x: Tensor) -> Tensor:
        rows = x.movedim(2, -1)
        if x.dim() != TOKENS or not rows.is_contiguous() or x.is_contiguous():
            return super().__call__(x)
        return normalize(rows.flatten(0, -2), *self.values).view(rows.shape).movedim(-1, 2)


def mixes_channels(step: Step) -> TypeGuard[Pointwise | Convolution]:
    """Whether every output channel of a step is a sum over all input channels, so that either may be left out."""
    return isinstance(step, Pointwise) or (isinstance(step, Convolution) and step.groups == 1)


def _between(weight: Tensor, bias: Tensor, columns: Tensor | None, rows: Tensor | None) -> tuple[Tensor, Tensor]:
    if columns is not None:
        weight = weight.index_select(1, columns)
    return (weight, bias) if rows is None else (weight.index_select(0, rows), bias.index_select(0, rows))


def steps(
    modules: Sequence[nn.Module],
    names: Sequence[str],
    patch: Patch,
    *,
    kernels: Kernels = "torch",
    folds: bool = True,
) -> list[Step]:
    """The modules one after another, with a candidate's tensors.

    Args:
        modules: stateless.
        names: of the modules in the state dict.
        patch: the candidate's changes.
        kernels: the form of the products.
        folds: whether BatchNorms become a part of the layer before; otherwise every module computes as it is.
    """
    if not folds:
        return [_as_it_is(module, name, patch, kernels) for module, name in zip(modules, names, strict=True)]
    found: list[Step] = []
    index = 0
    while index < len(modules):
        module = modules[index]
        norms = _norms_behind(modules, index) if isinstance(module, FOLDABLE) else 0
        if isinstance(module, FOLDABLE):
            chain = [
                _entries(m, name, patch)
                for m, name in zip(modules[index : index + 1 + norms], names[index:], strict=False)
            ]
            found.append(_folded(module, chain, modules[index + 1 : index + 1 + norms], kernels))
        else:
            found.append(_as_it_is(module, names[index], patch, kernels))
        index += 1 + norms
    return found


def _norms_behind(modules: Sequence[nn.Module], index: int) -> int:
    count = 0
    for module in modules[index + 1 :]:
        if not isinstance(module, _BatchNorm) or module.running_mean is None:
            break
        count += 1
    return count


def _entries(module: nn.Module, name: str, patch: Patch) -> dict[str, Tensor]:
    """The module's own tensors, as the candidate has them."""
    return {entry: patch.value(f"{name}.{entry}", tensor) for entry, tensor in module.state_dict().items()}


def _as_it_is(module: nn.Module, name: str, patch: Patch, kernels: Kernels) -> AsItIs:
    """The module, or a copy with a candidate's tensors: what several threads run is not written to."""
    if any(entry.startswith(f"{name}.") for entry in patch.touched):
        entries = _entries(module, name, patch)
        module = copy.deepcopy(module)
        module.load_state_dict(entries)
    if isinstance(module, _BatchNorm) and module.affine and module.running_mean is not None:
        return Normalization(module) if is_native(kernels, module.weight) else AsItIs(module)
    return AsItIs(module)


def _folded(
    layer: nn.Module, entries: Sequence[Mapping[str, Tensor]], norms: Sequence[nn.Module], kernels: Kernels
) -> Step:
    """A layer and the BatchNorms behind it as one layer; folded in double precision."""
    own, *others = entries
    like = own["weight"]
    weight = like.double()
    bias = own["bias"].double() if "bias" in own else weight.new_zeros(len(weight))
    for norm, values in zip(norms, others, strict=True):
        assert isinstance(norm, _BatchNorm)  # noqa: S101  # counted as such
        scale = (values["running_var"].double() + norm.eps).rsqrt()
        scale = scale * values["weight"].double() if "weight" in values else scale
        weight = weight * scale.view(-1, *[1] * (weight.dim() - 1))
        bias = (bias - values["running_mean"].double()) * scale
        bias = bias + values["bias"].double() if "bias" in values else bias
    weight, bias = weight.to(like), bias.to(like)
    if isinstance(layer, nn.Conv2d) and not _is_pointwise(layer):
        assert not isinstance(layer.padding, str)  # noqa: S101  # no family has one
        weight = weight.contiguous(memory_format=torch.channels_last)
        return Convolution(weight, bias, layer.stride, layer.padding, layer.groups, kernels)
    stride = layer.stride[0] if isinstance(layer, nn.Conv2d) else 1
    return Pointwise(weight.flatten(1), bias, stride, kernels)


def _is_pointwise(layer: nn.Conv2d) -> bool:
    return layer.kernel_size == (1, 1) and layer.padding == (0, 0) and layer.groups == 1 and len({*layer.stride}) == 1
