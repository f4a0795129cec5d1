"""How a layer is made again: its constructor with every setting that changes what it computes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from primesvt_core.codegen import written_out
from primesvt_core.codegen.neurons import Kind, neuron_class, neuron_constructor
from primesvt_core.codegen.sources import Hole, Source, call
from primesvt_core.errors import ExportError
from primesvt_core.families.sdtv2 import NormAndPad
from primesvt_core.layers import pointwise

NORM_EPS = 1e-5


def constructor(path: str, module: nn.Module, stem: str, kind: Kind) -> Source:
    """The expression that makes a layer.

    Args:
        path: of the layer, for errors.
        module: the layer.
        stem: what parameters for its widths are named after.
        kind: whose neurons it shall have.

    Raises:
        ExportError: if it is of a kind that cannot be made without this project.
    """
    if (neuron := neuron_constructor(module, stem, kind)) is not None:
        return neuron
    make = MAKERS.get(type(module))
    if make is None:
        raise ExportError(
            f"{path} is a {type(module).__name__}, which is neither a layer of torch nor one of PrimeSVT's; only these"
            " can be written for torch alone"
        )
    return make(module, stem)


def helper(module: nn.Module, kind: Kind) -> str | None:
    """The name in `written_out` of a layer that is not torch's."""
    return HELPERS.get(type(module)) or neuron_class(module, kind)


def _unless(usual: object, value: object) -> Source | None:
    """A setting, left out where it is torch's default."""
    return None if value == usual else (repr(value),)


def _side(value: Any) -> object:
    """The side of a square, of sides that are equal."""
    return value[0] if isinstance(value, tuple) and len({*value}) == 1 else value


def _conv(module: Any, stem: str) -> Source:
    if module.padding_mode != "zeros" or isinstance(module.padding, str):
        raise ExportError(f"a convolution pads by {module.padding_mode}, {module.padding}; only zeros can be written")
    groups = None if module.groups == 1 else (Hole(module.groups, f"{stem}_groups"),)
    return call(
        f"nn.{type(module).__name__}", *_widths(module.in_channels, module.out_channels, stem),
        (repr(_side(module.kernel_size)),),
        stride=_unless(1, _side(module.stride)), padding=_unless(0, _side(module.padding)),
        dilation=_unless(1, _side(module.dilation)), groups=groups, bias=_unless(True, module.bias is not None),
    )  # fmt: skip


def _widths(source: int, target: int, stem: str) -> tuple[Source, Source]:
    return (Hole(source, f"{stem}_inputs"),), (Hole(target, f"{stem}_channels"),)


def _pointwise(module: Any, stem: str) -> Source:
    target, source = module.weight.shape[:2]
    bias = _unless(True, module.bias is not None)
    return call(type(module).__name__, *_widths(source, target, stem), bias=bias)


def _linear(module: Any, stem: str) -> Source:
    bias = _unless(True, module.bias is not None)
    return call("nn.Linear", *_widths(module.in_features, module.out_features, stem), bias=bias)


def _batch_norm(module: Any, stem: str) -> Source:
    return call(
        f"nn.{type(module).__name__}", (Hole(module.num_features, f"{stem}_channels"),),
        eps=_unless(NORM_EPS, module.eps), affine=_unless(True, module.affine),
        track_running_stats=_unless(True, module.track_running_stats),
    )  # fmt: skip


def _max_pool(module: Any, _stem: str) -> Source:
    side = _side(module.kernel_size)
    return call(
        "nn.MaxPool2d", (repr(side),), stride=_unless(side, _side(module.stride)),
        padding=_unless(0, _side(module.padding)), dilation=_unless(1, _side(module.dilation)),
        ceil_mode=_unless(False, module.ceil_mode),
    )  # fmt: skip


def _average_pool(module: Any, _stem: str) -> Source:
    side = _side(module.kernel_size)
    return call(
        "nn.AvgPool2d", (repr(side),), stride=_unless(side, _side(module.stride)),
        padding=_unless(0, _side(module.padding)), ceil_mode=_unless(False, module.ceil_mode),
        count_include_pad=_unless(True, module.count_include_pad),
        divisor_override=_unless(None, module.divisor_override),
    )  # fmt: skip


def _norm_and_pad(module: Any, stem: str) -> Source:
    return call("NormAndPad", (Hole(module.bn.num_features, f"{stem}_channels"),))


HELPERS: Mapping[type[nn.Module], str] = {
    pointwise.PointwiseLinear: written_out.PointwiseLinear.__name__,
    pointwise.PointwiseConv1d: written_out.PointwiseConv1d.__name__,
    pointwise.PointwiseConv2d: written_out.PointwiseConv2d.__name__,
    NormAndPad: written_out.NormAndPad.__name__,
}
"""Layers that are not torch's, beside neurons."""

MAKERS: Mapping[type[nn.Module], Callable[[Any, str], Source]] = {
    nn.Conv1d: _conv,
    nn.Conv2d: _conv,
    nn.Linear: _linear,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.MaxPool2d: _max_pool,
    nn.AvgPool2d: _average_pool,
    pointwise.PointwiseLinear: _pointwise,
    pointwise.PointwiseConv1d: _pointwise,
    pointwise.PointwiseConv2d: _pointwise,
    NormAndPad: _norm_and_pad,
}
