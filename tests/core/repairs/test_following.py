"""What waits for what, and what a place sees."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from primesvt_core.layers.model import SpikingModel
from primesvt_core.pruning.patches import Patch, patched, silencing
from primesvt_core.repairs._following import steps_behind
from primesvt_core.testing.models import FamilyModel, tiny
from primesvt_core.types import Plan
from tests.support.layer_inputs import calls, each_family, short
from tests.support.references import Reference

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d)


def silenced(model: FamilyModel, *groups: str) -> Patch:
    return silencing(model.groups, Plan({name: model.plan(0.5).kept[name] for name in groups}))


def steps(model: SpikingModel, patch: Patch) -> list[list[str]]:
    return [[place.module for place in step] for step in steps_behind(model, patch, lambda m: isinstance(m, LAYERS))]


def test_layers_wait_for_those_before_and_not_for_those_beside_them() -> None:
    model = tiny()
    assert steps(model.double, silenced(model, "stem.2")) == [
        ["patch_embed.proj_conv3"],
        ["patch_embed.rpe_conv"],
        [f"block.0.attn.{name}_linear" for name in "qkv"],
        ["block.0.attn.proj_linear"],
        ["block.0.mlp.fc1_linear"],
        ["block.0.mlp.fc2_linear"],
        ["head"],
    ]
    assert steps(model.double, silenced(model, "block.0.mlp.fc1")) == [["block.0.mlp.fc2_linear"], ["head"]]
    assert steps(model.double, Patch()) == []


@pytest.mark.parametrize("reference", each_family(), ids=lambda reference: reference.name)
def test_what_a_layer_sees_depends_on_earlier_steps_alone(reference: Reference) -> None:
    """A change of one layer is seen by none of its own step or before."""
    model = short(reference)
    patch = silenced(model, *(group.name for group in model.groups))
    found = steps(model.double, patch)
    step = len(found) // 2
    module = found[step][0]
    weight = model.state[f"{module}.weight"]
    other = patch.extended({f"{module}.weight": weight + torch.ones_like(weight)})
    earlier = [place for places in found[: step + 1] for place in places]
    seen = []
    for candidate in (patch, other):
        with torch.inference_mode(), patched(model.double, candidate):
            seen.append(calls(model.double, earlier, model.input))
    assert [place for place in earlier if not torch.equal(seen[0][place][0], seen[1][place][0])] == []
