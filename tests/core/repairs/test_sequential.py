"""The sequential refit: on what a layer sees in the repaired network itself, as hooks show it, for every family."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from primesvt_core.pruning.consumers import reading
from primesvt_core.pruning.patches import Patch, patched, silencing
from primesvt_core.repairs import REPAIRS
from primesvt_core.repairs.sequential import fit
from primesvt_core.testing.models import FamilyModel, tiny
from primesvt_core.types import Plan
from tests.support.layer_inputs import calls, double_fitting, each_family, layer_rows, short
from tests.support.references import Reference

RIDGE, LARGEST_SCALE = 0.03, 3.0
closed_form = REPAIRS.load("closed_form").fit
LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d)


def repaired(model: FamilyModel, plan: Plan) -> tuple[dict[str, Tensor], Patch]:
    """The repair, and the candidate that has it."""
    changed = fit(double_fitting(model), plan)
    return changed, silencing(model.groups, plan).extended(changed)


def seen_by(model: FamilyModel, modules: Iterable[str], patch: Patch) -> dict[str, tuple[Tensor, Tensor]]:
    """Input and output of modules in a candidate."""
    with torch.inference_mode(), patched(model.double, patch):
        return calls(model.double, modules, model.input)


def over_rows(x: Tensor, layer: nn.Module) -> Tensor:
    """Mean of a layer's output for every channel."""
    return (x if type(layer) is nn.Linear else x.movedim(1, -1)).flatten(0, -2).mean(0)


@pytest.mark.parametrize("reference", each_family(), ids=lambda reference: reference.name)
def test_every_layer_has_the_mean_that_it_had_on_what_the_repaired_network_gives_it(reference: Reference) -> None:
    """So layers are refitted to what those before make of their input, and no constant is counted twice."""
    model = short(reference)
    changed, patch = repaired(model, model.plan(0.4))
    compared = 0
    layers = {name: module for name, module in model.double.named_modules() if isinstance(module, LAYERS)}
    after, before = (seen_by(model, layers, candidate) for candidate in (patch, Patch()))
    for module in after:
        (x, y), (x_before, y_before) = after[module], before[module]
        if f"{module}.weight" not in changed:
            assert torch.equal(x, x_before), module
            continue
        assert not torch.equal(x, x_before), module
        moved = over_rows(y, layers[module]) - over_rows(y_before, layers[module])
        constant = reading(module, model.double).constant
        if constant is None:
            continue
        is_mean = constant.endswith("running_mean")  # which is subtracted behind the layer
        shift = changed[constant] - model.state[constant].double() if is_mean else torch.zeros_like(moved)
        assert (moved - shift).abs().max() <= 1e-7, module
        compared += 1
    assert compared >= 3


def by_numpy(x: Tensor, y: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
    """Filters and constants: least squares with rows for the ridge, stretched to the standard deviation of ``y``."""
    seen, wanted = x - x.mean(0), y - y.mean(0)
    weight = math.sqrt(RIDGE * len(x) * float(seen.square().mean()))
    left = torch.cat([seen, weight * torch.eye(x.shape[1], dtype=torch.float64)])
    right = torch.cat([wanted, weight * start])
    found = torch.from_numpy(np.linalg.lstsq(left.numpy(), right.numpy(), rcond=None)[0])
    found = found * (wanted.std(0) / (seen @ found).std(0)).clamp(1.0, LARGEST_SCALE)
    return found, y.mean(0) - x.mean(0) @ found


PLAN = {"block.0.mlp.fc1": 0.5, "embedding": 0.25, "stem.1": 0.25}
REFITTED = {
    "patch_embed.proj_conv3": False, "patch_embed.rpe_conv": True, "block.0.attn.proj_linear": False,
    "block.0.mlp.fc2_linear": True, "head": True,
}  # fmt: skip
"""Layers, and whether they lose columns."""


@pytest.mark.parametrize("module", REFITTED)
def test_weights_are_those_of_least_squares_from_the_closed_form(module: str) -> None:
    model = tiny()
    plan = Plan({name: model.plan(rate).kept[name] for name, rate in PLAN.items()})
    changed, patch = repaired(model, plan)
    layer, name = model.double.get_submodule(module), f"{module}.weight"
    before = model.state[name].double()
    start = closed_form(double_fitting(model), plan).get(name, before).flatten(1).T
    kept = start.abs().sum(1) > 0
    assert bool(kept.all()) is not REFITTED[module]
    x, target = (layer_rows(layer, seen_by(model, [module], p)[module][0])[0] for p in (patch, Patch()))
    wanted, constant = by_numpy(x[:, kept], target @ before.flatten(1).T, start[kept])
    assert torch.allclose(changed[name].flatten(1).T[kept], wanted, rtol=1e-6, atol=1e-8)
    assert not changed[name].flatten(1).T[~kept].any()
    if f"{module}.bias" in model.state:
        moved = changed[f"{module}.bias"] - model.state[f"{module}.bias"].double()
        assert torch.allclose(moved, constant, atol=1e-8)


def test_what_queries_and_keys_lose_is_made_up_for_by_what_follows() -> None:
    model = tiny()
    plan = Plan({"block.0.attn.qk": model.plan(0.5).kept["block.0.attn.qk"]})
    assert closed_form(double_fitting(model), plan) == {}
    changed, _ = repaired(model, plan)
    layers = ("block.0.attn.proj_linear", "block.0.mlp.fc1_linear", "block.0.mlp.fc2_linear", "head")
    assert changed.keys() == {f"{layer}.{entry}" for layer in layers for entry in ("weight", "bias")}


def test_fitting_again_gives_the_same() -> None:
    model = tiny()
    fitting, plan = double_fitting(model), model.plan(0.25)
    first, second = fit(fitting, plan), fit(fitting, plan)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
