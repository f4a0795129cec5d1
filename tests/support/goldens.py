"""Golden records: small models run with the public code (weights, input, logits, spike sums), and files of them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from primesvt_core import registry
from primesvt_core.families import FAMILIES
from primesvt_core.families._base import Value
from primesvt_core.intake.identification import AnyFamily
from primesvt_core.intake.loading import build
from primesvt_core.layers.neurons import neurons, spikes_of
from primesvt_core.pruning.surgery import shapes_of
from primesvt_core.testing.models import FamilyModel
from primesvt_core.types import Shapes
from tests.support.shared import SHARED

GOLDEN = Path(os.environ.get("PRIMESVT_GOLDEN", SHARED / "golden"))
"""Folder of the files beside the checkout; another one for a family of one's own."""

OWN_GOLDEN = Path(__file__).resolve().parents[1] / "golden"
"""Those that are part of the project."""

CLOSE = 1e-4
"""Difference of logits that rounding makes while all spikes are the same."""

FAMILY_KEYS = registry.available("families")


def golden_files(*families: str) -> list[Path]:
    """Golden files of the families that are built, or of some."""
    folders = (GOLDEN,) if "PRIMESVT_GOLDEN" in os.environ else (GOLDEN, OWN_GOLDEN)
    patterns = [f"{family}-*.safetensors" for family in families or FAMILY_KEYS]
    return sorted((path for folder in folders for pattern in patterns for path in folder.glob(pattern)), key=_by_name)


def _by_name(path: Path) -> tuple[str, str]:
    return path.name.split("-")[0], path.name


@dataclass(frozen=True, kw_only=True)
class Golden(FamilyModel):
    """A model and what the public code computes with it."""

    tensors: dict[str, Tensor]

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
    family = FAMILIES.load(facts["family"])
    shapes = shapes_of(state)
    variant = family.identify(shapes)
    assert variant is not None
    values = {**facts["constructor_args"], "time_steps": facts["T"], "image_size": facts["input_shape"][-1]}
    config = family.infer(variant, shapes, hyperparameter_values(family, variant, shapes, values))
    return Golden(key=facts["family"], config=config, state=state, input=tensors["input"], tensors=tensors)


def hyperparameter_values(
    family: AnyFamily, variant: str, shapes: Shapes, values: Mapping[str, Any]
) -> dict[str, Value]:
    """What weights do not determine, from how the model was made."""
    found: dict[str, Value] = {}
    for field, hyperparameter in family.hyperparameters.items():
        known = next((values[name] for name in hyperparameter.names(field) if name in values), None)
        found[field] = hyperparameter.default(variant, shapes) if known is None else known
    return found


def run(golden: Golden, dtype: torch.dtype) -> tuple[Tensor, dict[str, Tensor]]:
    """Logits, and sums of spikes of every neuron layer as the golden file has them."""
    leak = golden.family.hyperparameters.get("compat_batch_leak")
    has_leak = leak is not None and leak.tell(str(golden.config.variant), shapes_of(golden.state)) is None
    leaks = {"compat_batch_leak": True} if has_leak else {}
    model = build(golden.family, golden.config.model_copy(update=leaks), golden.state).to(dtype)
    sums: dict[str, Tensor] = {}

    def count(name: str, module: nn.Module) -> None:
        module.register_forward_hook(lambda _m, _i, y: sums.update({name: _summed(golden, name, spikes_of(module, y))}))

    for name, module in neurons(model):
        count(name, module)
    with torch.no_grad():
        return model(golden.input.to(dtype)), sums


def alike(logits: Tensor, wanted: Tensor) -> bool:
    """Whether logits in single precision are the public code's, ``(B, classes)`` both: of all images but one.

    A current that is as large as the threshold is rounded otherwise by another processor: a spike more or less.
    """
    assert logits.shape == wanted.shape
    apart = (logits - wanted).abs().amax(1)
    return bool((apart > CLOSE).sum() <= min(1, len(apart) - 1))


def _summed(golden: Golden, name: str, spikes: Tensor) -> Tensor:
    """Over everything but time, or but the images where the public code knows no time."""
    by_image = len(golden.tensors[f"spikes.{name}"]) != len(spikes)
    return (spikes[0] if by_image else spikes).flatten(1).sum(1).long()
