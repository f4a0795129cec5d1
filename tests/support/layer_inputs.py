"""What layers see, gathered by hooks and torch's own unfolding: independent of `primesvt_core.calibration`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn.functional import unfold

from primesvt_core.calibration import Calibration
from primesvt_core.layers.model import SpikingModel
from primesvt_core.repairs import Fitting
from primesvt_core.testing.families import shortened
from primesvt_core.testing.models import FamilyModel
from primesvt_core.testing.repairs import TwoBlocks
from tests.support.goldens import FAMILY_KEYS
from tests.support.references import Reference, references


def each_kind() -> list[Reference]:
    """One model of every family and variant, the first that there is."""
    found: dict[str, Reference] = {}
    for reference in references():
        found.setdefault(re.sub(r"-T\d+$", "", reference.name), reference)
    return [*found.values()]


def each_family() -> list[Reference]:
    """One model of every family."""
    return [next(found for found in each_kind() if found.family == family) for family in FAMILY_KEYS]


@cache
def short(reference: Reference) -> FamilyModel:
    """A reference for few time steps and one image."""
    return shortened(reference.load())


def double_fitting(model: FamilyModel) -> Fitting:
    """What a repair is fitted to, in double precision."""
    state = {name: x.double() if x.is_floating_point() else x for name, x in model.state.items()}
    return Fitting(state=state, groups=model.groups, calibration=Calibration(model.double, TwoBlocks(model.input)))


def calls(model: SpikingModel, modules: Iterable[str], x: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """Input and output of modules on the images that a fitting has, ``(M, ...)`` each; of those that are called."""
    seen: dict[str, list[tuple[Tensor, Tensor]]] = {}

    def watch(name: str) -> torch.utils.hooks.RemovableHandle:
        def hook(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            seen.setdefault(name, []).append((inputs[0], output))

        return model.get_submodule(name).register_forward_hook(hook)

    hooks, images = [watch(name) for name in modules], TwoBlocks(x)
    with torch.inference_mode():
        for index in range(len(images)):
            model(images.block(index)[0].to(next(model.parameters())))
    for hook in hooks:
        hook.remove()
    return {name: _joined(model.get_submodule(name), found) for name, found in seen.items()}


def _joined(module: nn.Module, found: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    inputs, outputs = zip(*found, strict=True)
    along = 1 if inputs[0].dim() == 3 and type(module) is nn.Linear else 0  # of a head (T, B, D)
    return torch.cat(inputs, along), torch.cat(outputs, along)


def layer_rows(layer: nn.Module, x: Tensor) -> Tensor:
    """What the filters of a layer see: ``(groups, rows, fan_in)``."""
    if isinstance(layer, nn.Conv2d) and x.dim() == 4:
        assert isinstance(layer.padding, tuple)
        patches = unfold(x, layer.kernel_size, padding=layer.padding, stride=layer.stride).transpose(1, 2)
        return patches.reshape(-1, layer.groups, patches.shape[2] // layer.groups).transpose(0, 1)
    last = x if type(layer) is nn.Linear else x.transpose(1, 2)
    return last.reshape(1, -1, last.shape[-1])
