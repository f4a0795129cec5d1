"""Models of spikingjelly's own zoo: recognised as a training script saves them, and given back to spikingjelly."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from spikingjelly.activation_based import neuron
from spikingjelly.activation_based.model.maxformer import maxformer_10_384, maxformer_cifar
from spikingjelly.activation_based.model.qkformer import qkformer_10_384
from spikingjelly.activation_based.model.spike_driven_transformer import sdt_8_384
from spikingjelly.activation_based.model.spikformer import spikformer_cifar10, spikformer_s, spikformer_ti
from torch import nn

import primesvt_core
from primesvt_core.errors import SpecError, UnknownFamily
from primesvt_core.families import FAMILIES
from primesvt_core.families._base import Value
from primesvt_core.intake.inspect import inspect
from primesvt_core.intake.loading import build
from primesvt_core.pruning.surgery import masked, prune, shapes_of
from tests.support.goldens import FAMILY_KEYS, Golden
from tests.support.references import Reference, references
from tests.support.zoo import MODELS, ZooModel, run_zoo

BUILDERS: list[tuple[str, Callable[..., nn.Module], dict[str, Value]]] = [
    ("sj_spikformer", spikformer_ti, {"num_heads": 8, "patch_size": 16}),
    ("sj_spikformer", spikformer_s, {"num_heads": 12, "patch_size": 16}),
    ("sj_spikformer", spikformer_cifar10, {"num_heads": 12, "patch_size": 4}),
    ("sj_sdt", sdt_8_384, {"pooling_stat": "1111"}),
    ("sj_qkformer", qkformer_10_384, {"num_heads": 6}),
    ("sj_maxformer", maxformer_10_384, {"num_heads": 6}),
    ("sj_maxformer", maxformer_cifar, {"num_heads": 8}),
]
"""Family, builder, and the defaults that its models need."""

models = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)


def values_of(golden: Golden, *fields: str) -> dict[str, Value]:
    return {field: getattr(golden.config, field) for field in fields}


@models
def test_a_bare_state_dict_is_what_the_caller_says_it_is(model: ZooModel, tmp_path: Path) -> None:
    golden = model.load()
    torch.save(golden.state, tmp_path / "model.pth")
    found = inspect(tmp_path / "model.pth", values_of(golden, *golden.family.hyperparameters))
    assert (found.family_key, found.config) == (model.family, golden.config)


@models
@pytest.mark.parametrize("container", ["model", "state_dict"])
def test_a_training_scripts_arguments_are_heard(model: ZooModel, container: str, tmp_path: Path) -> None:
    golden = model.load()
    args = {name: value.__name__ if isinstance(value, type) else value for name, value in model.args.items()}
    checkpoint = {container: golden.state, "epoch": 3, "args": Namespace(**args, image_size=golden.config.image_size)}
    torch.save(checkpoint, tmp_path / "model.pth")
    # That v_reset is None says by itself that resets are soft, and a class of neurons what they are.
    found = inspect(tmp_path / "model.pth", values_of(golden, *(model.values.keys() - {"soft_reset", "neuron"})))
    assert (found.family_key, found.config) == (model.family, golden.config)


FIRST = [
    next(model for model in MODELS if model.family == family) for family in FAMILY_KEYS if family.startswith("sj_")
]
NODES = (neuron.ParametricLIFNode, neuron.LIFNode, neuron.IFNode)
SETTINGS = ("tau", "v_threshold", "v_reset", "decay_input")


@pytest.mark.parametrize("model", FIRST, ids=lambda model: model.family)
@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        ({}, ""),
        ({"tau": 3.0}, ""),
        ({"spiking_neuron": neuron.IFNode}, "IFNode"),
        ({"spiking_neuron": neuron.LIFNode, "tau": 3.0}, "neuron.LIFNode"),
        ({"spiking_neuron": neuron.LIFNode, "v_threshold": 0.7}, str(neuron.LIFNode)),
        ({"spiking_neuron": neuron.ParametricLIFNode}, "spikingjelly.activation_based.neuron.ParametricLIFNode"),
    ],
)
def test_every_neuron_is_as_the_arguments_make_it(
    model: ZooModel, settings: dict[str, Any], shown: str, tmp_path: Path
) -> None:
    theirs = replace(model, args={**model.args, **settings}).build()
    args = {**model.args, **settings, "spiking_neuron": shown or None}
    torch.save({"model": theirs.state_dict(), "args": Namespace(**args)}, tmp_path / "model.pth")
    ours = primesvt_core.load(tmp_path / "model.pth")

    def kind(node: nn.Module) -> str:
        return str(next(known.__name__ for known in NODES if isinstance(node, known)))

    def made(network: nn.Module) -> dict[str, tuple[object, ...]]:
        found = ((n, m) for n, m in network.named_modules() if isinstance(m, neuron.BaseNode))
        return {n: (kind(m), *(getattr(m, setting, None) for setting in SETTINGS)) for n, m in found}

    assert made(ours) == made(theirs)


@pytest.mark.parametrize("named", ["QIFNode", "mine.Neuron", "", 3])
def test_neurons_that_nobody_knows_are_refused_by_name(named: object, tmp_path: Path) -> None:
    torch.save({"model": FIRST[0].load().state, "args": {"spiking_neuron": named}}, tmp_path / "m.pth")
    if named == "":
        assert inspect(tmp_path / "m.pth").config.model_dump()["neuron"] == "lif"
        return
    with pytest.raises(UnknownFamily, match=rf"m.pth looks like .*spiking_neuron={named!r}.*IFNode"):
        inspect(tmp_path / "m.pth")
    assert inspect(tmp_path / "m.pth", {"neuron": "if"}).config.model_dump()["neuron"] == "if"


@pytest.mark.parametrize("values", [{"v_reset": float("nan")}, {"tau": float("inf")}, {"v_reset": "-inf"}])
def test_numbers_that_are_none_are_refused(values: dict[str, Value], tmp_path: Path) -> None:
    torch.save(FIRST[0].load().state, tmp_path / "m.pth")
    with pytest.raises(SpecError, match=f"{next(iter(values))}: Input should be a finite number"):
        inspect(tmp_path / "m.pth", values)


@models
def test_spikingjelly_computes_what_the_pruned_model_does(model: ZooModel) -> None:
    golden = model.load()
    plan = golden.plan(0.5)
    config, state = prune(golden.family, golden.config, golden.state, plan)
    theirs = model.build()
    theirs.load_state_dict(masked(golden.family, golden.config, state, plan, shapes_of(golden.state)), strict=True)
    logits, _ = run_zoo(theirs.double(), golden.input.double())
    with torch.inference_mode():
        ours = build(golden.family, config, state).double()(golden.input.double())
    assert not torch.allclose(ours, golden.logits("logits_f64"))
    assert ((logits.mean(0) if logits.dim() == 3 else logits) - ours).abs().max() <= 1e-9


@pytest.mark.parametrize(("key", "builder", "needed"), BUILDERS, ids=[builder.__name__ for _, builder, _ in BUILDERS])
def test_full_size_models_are_what_spikingjelly_builds(
    key: str, builder: Callable[..., nn.Module], needed: dict[str, Value]
) -> None:
    with torch.device("meta"):
        theirs = builder()
        state = theirs.state_dict()
    family, shapes = FAMILIES.load(key), shapes_of(state)
    variant = family.identify(shapes)
    assert variant is not None
    config = family.infer(
        variant, shapes, {name: ask.default(variant, shapes) for name, ask in family.hyperparameters.items()}
    )
    with torch.device("meta"):
        ours = family.build(config)
    assert shapes_of(ours.state_dict()) == shapes
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())
    assert config.model_dump().items() >= {"time_steps": theirs.T, **needed}.items()


@pytest.mark.parametrize("reference", references(), ids=lambda reference: reference.name)
def test_no_model_is_taken_for_one_of_another_family(reference: Reference) -> None:
    shapes = reference.shapes()
    assert [key for key in FAMILY_KEYS if FAMILIES.load(key).identify(shapes) is not None] == [reference.family]


@pytest.mark.parametrize("heads", ["3,6", "3,x,2", "3,0,2", "3,6,5", 5])
def test_heads_of_stages_that_cannot_be_are_refused(heads: Value, tmp_path: Path) -> None:
    [model] = [model for model in MODELS if model.name == "sj_qkformer-uneven"]
    golden = model.load()
    torch.save(golden.state, tmp_path / "model.pth")
    with pytest.raises(SpecError, match="num_heads"):
        inspect(tmp_path / "model.pth", values_of(golden, *golden.family.hyperparameters) | {"num_heads": heads})


def test_equal_heads_of_stages_are_one_number(tmp_path: Path) -> None:
    [model] = [model for model in MODELS if model.name == "sj_qkformer-builder"]
    torch.save({"model": model.load().state, "args": Namespace(num_heads=[6, 6, 6])}, tmp_path / "model.pth")
    assert inspect(tmp_path / "model.pth").config.model_dump()["num_heads"] == 6


@pytest.mark.parametrize(
    ("name", "defaults"),
    [
        ("sj_qkformer-uneven", {"num_heads": "3,6,6", "image_size": 32}),
        ("sj_qkformer-plif", {"num_heads": 8, "attention_threshold": 1.0}),
        ("sj_qkformer-events", {"num_heads": 8, "image_size": 128}),
        ("sj_maxformer-events", {"num_heads": 1, "image_size": 128}),
        ("sj_maxformer-uneven", {"num_heads": 2, "image_size": 224}),
    ],
)
def test_what_nobody_tells_fits_the_shapes(name: str, defaults: dict[str, Value], tmp_path: Path) -> None:
    [model] = [model for model in MODELS if model.name == name]
    torch.save(model.load().state, tmp_path / "model.pth")
    assert inspect(tmp_path / "model.pth").config.model_dump().items() >= defaults.items()
