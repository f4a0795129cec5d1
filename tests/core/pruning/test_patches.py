"""Patches: what a candidate changes, put on a model and taken off again."""

from __future__ import annotations

import torch

from primesvt_core.intake.loading import build
from primesvt_core.pruning.patches import Patch, patched, silencing
from primesvt_core.testing.models import tiny
from primesvt_core.types import Plan

MODEL = tiny()
FC1, BN = "block.0.mlp.fc1_linear", "block.0.mlp.fc1_bn"
PLAN = Plan({"block.0.mlp.fc1": tuple(range(4, 32))})


def test_silencing_names_the_channels_that_a_plan_does_not_keep() -> None:
    patch = silencing(MODEL.groups, PLAN)
    assert patch.silenced == {BN: (0, 1, 2, 3)}
    assert patch.touched == {f"{BN}.weight", f"{BN}.bias"}


def test_several_groups_in_one_batchnorm_are_silenced_together() -> None:
    plan = Plan({"embedding": tuple(range(15)), "block.0.attn.v": tuple(range(8))})
    silenced = silencing(MODEL.groups, plan).silenced
    assert silenced["block.0.attn.v_bn"] == tuple(range(8, 16))
    assert silenced["patch_embed.rpe_bn"] == silenced["block.0.mlp.fc2_bn"] == (15,)


def test_a_plan_that_keeps_everything_changes_nothing() -> None:
    assert silencing(MODEL.groups, Plan({"embedding": tuple(range(16))})).touched == frozenset()


def test_a_patch_is_put_on_and_taken_off() -> None:
    model = build(MODEL.family, MODEL.config, MODEL.state)
    weight = torch.full_like(MODEL.state[f"{FC1}.weight"], 2.0)
    patch = Patch(silenced={BN: (0, 1)}, tensors={f"{FC1}.weight": weight, f"{BN}.bias": MODEL.state[f"{BN}.bias"] + 1})
    with patched(model, patch):
        state = model.state_dict()
        assert torch.equal(state[f"{FC1}.weight"], weight)
        assert state[f"{BN}.weight"][:2].tolist() == state[f"{BN}.bias"][:2].tolist() == [0.0, 0.0]
        assert torch.equal(state[f"{BN}.bias"][2:], MODEL.state[f"{BN}.bias"][2:] + 1)
        assert torch.equal(state[f"{BN}.weight"][2:], MODEL.state[f"{BN}.weight"][2:])
    for name, value in model.state_dict().items():
        assert torch.equal(value, MODEL.state[name]), name


def test_a_patch_is_taken_off_after_an_error() -> None:
    model = build(MODEL.family, MODEL.config, MODEL.state)
    try:
        with patched(model, Patch(silenced={BN: (0,)})):
            raise RuntimeError
    except RuntimeError:
        pass
    assert torch.equal(model.state_dict()[f"{BN}.weight"], MODEL.state[f"{BN}.weight"])


def test_changes_within_an_operation_are_those_of_its_entries() -> None:
    tensors = {name: MODEL.state[name] for name in (f"{FC1}.weight", "head.weight")}
    patch = Patch(silenced={BN: (0,), "block.0.mlp.fc2_bn": (1,)}, tensors=tensors)
    found = patch.within(lambda name: name.startswith("block.0.mlp.fc1"))
    assert found.touched == {f"{BN}.weight", f"{BN}.bias", f"{FC1}.weight"}
    assert found.silenced[BN] == (0,)


def test_an_extended_patch_has_the_later_tensors() -> None:
    first, second = (torch.full_like(MODEL.state["head.bias"], value) for value in (1.0, 2.0))
    patch = Patch(silenced={BN: (0,)}, tensors={"head.bias": first, f"{BN}.bias": first})
    extended = patch.extended({"head.bias": second})
    assert extended.silenced == patch.silenced
    assert extended.tensors["head.bias"] is second
    assert extended.tensors[f"{BN}.bias"] is patch.tensors["head.bias"] is first
