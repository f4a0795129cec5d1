"""Golden records: small models run with the public code (weights, input, logits, spike sums), and files of them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from primesvt_core import registry
from primesvt_core.families._base import FamilyConfig, Value
from primesvt_core.intake.identification import AnyFamily, load_family
from primesvt_core.intake.loading import build
from primesvt_core.layers.model import SpikingModel
from primesvt_core.layers.neurons import neurons, spikes_of
from primesvt_core.pruning.groups import select
from primesvt_core.pruning.surgery import shapes_of
from primesvt_core.types import Plan, Shapes
from tests.support.shared import SHARED

GOLDEN = Path(os.environ.get("PRIMESVT_GOLDEN", SHARED / "golden"))
"""Folder of the files; another one for a family of one's own."""

FAMILIES = registry.available("families")


def golden_files(*families: str) -> list[Path]:
    """Golden files of the families that are built, or of some."""
    return sorted(path for family in families or FAMILIES for path in GOLDEN.glob(f"{family}-*.safetensors"))


@dataclass(frozen=True)
class Golden:
    """A model and what the public code computes with it."""

    family: AnyFamily
    config: FamilyConfig
    state: dict[str, Tensor]
    tensors: dict[str, Tensor]

    @property
    def input(self) -> Tensor:
        return self.tensors["input"]

    @cached_property
    def double(self) -> SpikingModel:
        """The model in double precision; whoever changes it puts it back."""
        with torch.inference_mode(mode=False):  # it is asked for inside and changed outside
            return build(self.family, self.config, self.state).double()

    @cached_property
    def before(self) -> Tensor:
        """Its logits of the first image."""
        with torch.inference_mode():
            found: Tensor = self.double(self.input[:1].double())
        return found

    def logits(self, name: str) -> Tensor:
        """Logits of the public evaluation, which averages over time where the model leaves that to it."""
        found = self.tensors[name]
        return found.mean(0) if found.dim() == 3 else found


@cache
def load_golden(path: Path) -> Golden:
    """Read a golden file and infer its config as for a user's checkpoint."""
    tensors = load_file(path)
    with safe_open(path, "pt") as file:
        facts = json.loads(file.metadata()["config"])
    state = {k.removeprefix("state_dict."): v for k, v in tensors.items() if k.startswith("state_dict.")}
    family = load_family(facts["family"])
    shapes = shapes_of(state)
    variant = family.identify(shapes)
    assert variant is not None
    values = {**facts["constructor_args"], "time_steps": facts["T"], "image_size": facts["input_shape"][-1]}
    return Golden(
        family, family.infer(variant, shapes, hyperparameter_values(family, variant, shapes, values)), state, tensors
    )


def hyperparameter_values(
    family: AnyFamily, variant: str, shapes: Shapes, values: Mapping[str, Any]
) -> dict[str, Value]:
    """What weights do not determine, from how the model was made."""
    found: dict[str, Value] = {}
    for field, hyperparameter in family.hyperparameters.items():
        known = next((values[name] for name in hyperparameter.names(field) if name in values), None)
        found[field] = hyperparameter.default(variant, shapes) if known is None else known
    return found


def random_plan(golden: Golden, rate: float) -> Plan:
    """Every group at that rate, the channels chosen by chance."""
    chance = torch.Generator().manual_seed(0)
    groups = golden.family.groups(golden.config)
    return Plan(
        {group.name: select(group, torch.rand(group.size, generator=chance).tolist(), rate) for group in groups}
    )


def run(golden: Golden, dtype: torch.dtype) -> tuple[Tensor, dict[str, Tensor]]:
    """Logits, and sums of spikes of every neuron layer as the golden file has them."""
    leaks = {"compat_batch_leak": True} if "compat_batch_leak" in golden.family.hyperparameters else {}
    model = build(golden.family, golden.config.model_copy(update=leaks), golden.state).to(dtype)
    sums: dict[str, Tensor] = {}

    def count(name: str, module: nn.Module) -> None:
        module.register_forward_hook(lambda _m, _i, y: sums.update({name: _summed(golden, name, spikes_of(module, y))}))

    for name, module in neurons(model):
        count(name, module)
    with torch.no_grad():
        return model(golden.input.to(dtype)), sums


def _summed(golden: Golden, name: str, spikes: Tensor) -> Tensor:
    """Over everything but time, or but the images where the public code knows no time."""
    by_image = len(golden.tensors[f"spikes.{name}"]) != len(spikes)
    return (spikes[0] if by_image else spikes).flatten(1).sum(1).long()
