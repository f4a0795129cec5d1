"""Parameters that no forward pass reads: they load, are listed, and count neither as savings nor as layers."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from primesvt_core.families._base import Family
from primesvt_core.intake.identification import load_family
from primesvt_core.intake.inspect import inspect
from primesvt_core.intake.loading import build
from primesvt_core.pruning.groups import is_buffer, memory_bytes, parameter_count
from primesvt_core.pruning.sizes import sort_layers
from primesvt_core.pruning.surgery import prune, shapes_of
from tests.support.goldens import random_plan
from tests.support.references import Reference, references

pytestmark = pytest.mark.usefixtures("one_thread")
REFERENCES = references()
every_reference = pytest.mark.parametrize("reference", REFERENCES, ids=lambda reference: reference.name)


def unused(reference: Reference) -> frozenset[str]:
    golden = reference.load()
    return golden.family.unused(golden.config)


ALL_ARE_USED = next(field.default for field in fields(Family) if field.name == "unused")
WITH_DEAD = [reference for reference in REFERENCES if load_family(reference.family).unused is not ALL_ARE_USED]
every_with_dead = pytest.mark.parametrize("reference", WITH_DEAD, ids=lambda reference: reference.name)


@every_reference
def test_what_is_called_unused_is_what_no_gradient_reaches(reference: Reference) -> None:
    golden = reference.load()
    model = build(golden.family, golden.config, golden.state)
    model(golden.input[:1]).sum().backward()
    dead = {name for name, parameter in model.named_parameters() if parameter.grad is None}
    declared = unused(reference)
    assert dead == {name for name in declared if not is_buffer(name)}
    assert declared <= golden.state.keys()


@every_with_dead
def test_dead_parameters_change_nothing_and_count_nowhere(reference: Reference, tmp_path: Path) -> None:
    golden, dead = reference.load(), unused(reference)
    assert dead
    other = {n: torch.rand_like(x) if n in dead and x.is_floating_point() else x for n, x in golden.state.items()}
    with torch.no_grad():
        logits = [build(golden.family, golden.config, state)(golden.input[:1]) for state in (golden.state, other)]
    assert torch.equal(*logits)
    save_file(golden.state, tmp_path / "model.safetensors")
    values = {field: getattr(golden.config, field) for field in golden.family.hyperparameters}
    found = inspect(tmp_path / "model.safetensors", values).to_json()
    assert found["unused_tensors"] == sorted(dead)
    alive = {name: tensor for name, tensor in golden.state.items() if name not in dead}
    assert found["parameters"] == sum(tensor.numel() for name, tensor in alive.items() if not is_buffer(name))
    assert found["parameter_bytes"] == sum(tensor.nbytes for tensor in alive.values())
    assert found["file_bytes"] == (tmp_path / "model.safetensors").stat().st_size
    sorted_layers = sort_layers(golden.family.layers(golden.config), shapes_of(golden.state))
    named = {tensor for layer in golden.family.layers(golden.config) for tensor in layer.tensors}
    assert not named & dead
    assert sum(layer.parameters for layer in sorted_layers) <= parameter_count(shapes_of(alive))


@every_with_dead
def test_dead_parameters_are_sliced_where_they_must_be_but_are_no_saving(reference: Reference) -> None:
    golden, dead = reference.load(), unused(reference)
    assert dead
    config, state = prune(golden.family, golden.config, golden.state, random_plan(golden, 0.5))
    build(golden.family, config, state)  # loads strictly: their shapes are those of the smaller model
    assert golden.family.unused(config) == dead
    saved = memory_bytes(shapes_of(golden.state), dead) - memory_bytes(shapes_of(state), dead)
    assert saved == sum(golden.state[n].nbytes - state[n].nbytes for n in state if n not in dead)
