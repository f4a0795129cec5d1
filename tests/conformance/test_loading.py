"""Loading a file of every family: what comes out, what it does at every call, and what is said of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import JsonValue, ValidationError
from torch import Tensor, nn

import primesvt_core
from primesvt_core.errors import CheckpointMismatch, CheckpointRefused, UnknownFamily
from primesvt_core.families import FAMILIES
from primesvt_core.intake.inspect import inspect
from primesvt_core.layers.model import SpikingModel
from primesvt_core.layers.neurons import neurons
from primesvt_core.pruning.surgery import shapes_of
from primesvt_core.testing.models import tiny
from tests.support.goldens import Golden, alike
from tests.support.references import Reference, references, some_of_each_family

pytestmark = pytest.mark.usefixtures("one_thread")
some_references = pytest.mark.parametrize("reference", some_of_each_family(2), ids=lambda reference: reference.name)
FIRST = {reference.family: reference for reference in reversed(references())}


def saved(golden: Golden, folder: Path) -> Path:
    """As a training script does, with the moving average of the weights beside them."""
    args = {field: getattr(golden.config, field) for field in golden.family.hyperparameters}
    average = {name: tensor * 1.25 if "head" in name else tensor for name, tensor in golden.state.items()}
    torch.save({"state_dict": golden.state, "state_dict_ema": average, "args": args}, folder / "model.pth")
    return folder / "model.pth"


def told_by_tensors(golden: Golden) -> set[str]:
    """Hyperparameters that the tensors of this model tell after all."""
    shapes, fields = shapes_of(golden.state), golden.family.hyperparameters
    variant = golden.family.identify(shapes)
    assert variant is not None
    return {name for name, field in fields.items() if field.tell(variant, shapes) is not None}


@some_references
def test_a_loaded_model_starts_anew_at_every_call(reference: Reference, tmp_path: Path) -> None:
    golden = reference.load()
    model = primesvt_core.load(saved(golden, tmp_path))
    assert isinstance(model, SpikingModel)
    assert not model.training
    images = golden.input[:2]
    with torch.no_grad():
        first = model(images)
        assert first.shape == (2, golden.config.num_classes)
        assert alike(first, golden.logits("logits_batch1")[:2])
        assert torch.equal(model(images), first)
        model(images[:1])  # another size of batch leaves nothing behind
        assert torch.equal(model(images), first)
        _break_once(model, images)
        assert torch.equal(model(images), first)


def _break_once(model: nn.Module, images: Tensor) -> None:
    """A call that ends in the middle, with charged membranes."""

    def stop(_module: nn.Module, _x: object) -> None:
        raise KeyboardInterrupt

    *_, (_, last) = neurons(model)
    hook = last.register_forward_pre_hook(stop)
    with pytest.raises(KeyboardInterrupt):
        model(images)
    hook.remove()


@some_references
def test_an_image_is_shown_at_every_time_step(reference: Reference, tmp_path: Path) -> None:
    golden = reference.load()
    model = primesvt_core.load(saved(golden, tmp_path))
    with torch.no_grad():
        image = golden.input[:1, 0] if golden.input.dim() == 5 else golden.input[:1]
        frames = image.unsqueeze(1).expand(1, golden.config.time_steps, *image.shape[-3:]).contiguous()
        assert torch.allclose(model(frames), model(image), atol=1e-5)


@some_references
def test_the_result_says_what_was_assumed_from_where(reference: Reference, tmp_path: Path) -> None:
    golden = reference.load()
    path = saved(golden, tmp_path)
    fields = [*golden.family.hyperparameters]
    model = primesvt_core.load(path, **{fields[0]: getattr(golden.config, fields[0])})
    assert isinstance(model, SpikingModel)
    sources = {assumption.field: assumption.source for assumption in model.assumptions}
    ignored_by = {field for field in fields if golden.config.variant in golden.family.hyperparameters[field].ignored_by}
    told = told_by_tensors(golden)
    assert sources == {
        field: "tensors"
        if field in told
        else "caller"
        if field == fields[0]
        else "default"
        if field in ignored_by
        else "checkpoint"
        for field in fields
    }
    assert {a.field: a.value for a in model.assumptions} == {f: getattr(golden.config, f) for f in fields}
    assumptions = inspect(path).to_json()["assumptions"]
    assert isinstance(assumptions, list)
    assert [entry["field"] for entry in assumptions if isinstance(entry, dict)] == fields


@some_references
def test_defaults_fit_every_file(reference: Reference, tmp_path: Path) -> None:
    """So that a service takes a bare state dict in; what is right can be said with the job."""
    golden = reference.load()
    torch.save(golden.state, tmp_path / "model.pth")
    found = inspect(tmp_path / "model.pth")
    told = told_by_tensors(golden)
    assert {a.field: a.source for a in found.assumptions} == {
        field: "tensors" if field in told else "default" for field in golden.family.hyperparameters
    }
    assert (
        inspect(tmp_path / "model.pth", {f: getattr(golden.config, f) for f in golden.family.hyperparameters}).config
        == golden.config
    )


@some_references
def test_a_model_of_grey_images_is_not_given_the_statistics_of_colours(reference: Reference) -> None:
    golden = reference.load()
    found = golden.family.preprocessing(golden.config.model_copy(update={"in_channels": 1}))
    assert (found.mean, found.std) == (None, None)
    assert found.crop == golden.config.image_size


NO_WIDTHS = ("unused_positions",)


def numbers(value: JsonValue, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where whole numbers stand in a config."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield from numbers(inner, (*path, key))
    if type(value) is int:
        yield path


@some_references
def test_no_width_is_zero(reference: Reference) -> None:
    config = reference.load().config
    for path in numbers(config.model_dump(mode="json")):
        document: Any = config.model_dump(mode="json")
        *parents, last = path
        reduce(getitem, parents, document)[last] = 0
        if last not in NO_WIDTHS:
            with pytest.raises(ValidationError):
                type(config).model_validate(document)


@pytest.mark.parametrize("family", FIRST)
def test_the_caller_chooses_between_the_weights_and_their_average(family: str, tmp_path: Path) -> None:
    golden = FIRST[family].load()
    path = saved(golden, tmp_path)
    assert inspect(path).checkpoint.container == "state_dict"
    plain, same, average = (
        primesvt_core.load(path, container=name).state_dict() for name in (None, "state_dict", "state_dict_ema")
    )
    assert [name for name in plain if not torch.equal(plain[name], same[name])] == []
    assert {name for name in plain if not torch.equal(plain[name], average[name])} == {
        name for name in plain if "head" in name and plain[name].any()
    }
    with pytest.raises(CheckpointRefused, match="it has: state_dict, state_dict_ema"):
        primesvt_core.load(path, container="model")


@pytest.mark.parametrize("family", FIRST)
def test_what_is_missing_too_much_or_misshapen_is_named_with_what_to_do(family: str, tmp_path: Path) -> None:
    golden = FIRST[family].load()
    state = dict(golden.state)
    *_, gone, wrong = (name for name in state if name.endswith("running_var"))
    del state[gone]
    size = len(state[wrong])
    state |= {wrong: torch.ones(size + 3), "extra.weight": torch.ones(2)}
    args = {field: getattr(golden.config, field) for field in golden.family.hyperparameters}
    torch.save({"model": state, "args": args}, tmp_path / "m.pth")
    with pytest.raises(CheckpointMismatch) as refusal:
        inspect(tmp_path / "m.pth")
    message = refusal.value.message
    assert f"looks like {golden.family.title}" in message
    assert (
        f"missing: {gone}; unexpected: extra.weight; misshapen: {wrong} is [{size + 3}], should be [{size}]" in message
    )
    assert "save the whole state_dict() of the public model" in message
    assert refusal.value.facts == {"missing": [gone], "unexpected": ["extra.weight"], "misshapen": [wrong]}


IMPLYING = [reference for reference in references() if FAMILIES.load(reference.family).implied_args]


@pytest.mark.parametrize("reference", IMPLYING, ids=lambda reference: reference.name)
def test_args_that_say_what_the_weights_do_not_are_of_another_model(reference: Reference, tmp_path: Path) -> None:
    golden = reference.load()
    for name, imply in golden.family.implied_args.items():
        value = imply(golden.config)
        if value is None:
            continue
        fields = {field: getattr(golden.config, field) for field in golden.family.hyperparameters}
        torch.save({"model": golden.state, "args": fields | {name: value}}, tmp_path / "m.pth")
        assert inspect(tmp_path / "m.pth").config.variant == golden.config.variant
        torch.save({"model": golden.state, "args": fields | {name: "if"}}, tmp_path / "m.pth")
        with pytest.raises(UnknownFamily, match=re.escape(f"{name}={value!r}, but its args have {name}='if'")):
            inspect(tmp_path / "m.pth")


@pytest.mark.parametrize("family", FIRST)
def test_a_file_without_the_marks_of_its_family_is_told_a_near_one_and_what_to_save(
    family: str, tmp_path: Path
) -> None:
    golden = FIRST[family].load()
    state = {name.replace(".", "_of_mine.", 1): tensor for name, tensor in golden.state.items()}
    torch.save(state, tmp_path / "m.pth")
    with pytest.raises(UnknownFamily) as refusal:
        inspect(tmp_path / "m.pth")
    message = refusal.value.message
    assert next(iter(state)) in message
    assert "The nearest is " in message
    assert "is missing" in message
    assert "save the model's own state_dict()" in message


@pytest.mark.parametrize(
    ("statistics", "believed"),
    [
        ({"mean": [0.286], "std": [0.353]}, True),
        ({"mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 0.2]}, False),
        ({}, False),
    ],
)
def test_a_model_of_grey_images_has_the_statistics_that_its_training_script_says(
    statistics: dict[str, list[float]], believed: bool, tmp_path: Path
) -> None:
    drawn = tiny()  # of grey images
    args = {"T": 2, "num_heads": 2, "img_size": drawn.config.image_size, **statistics}
    torch.save({"model": drawn.state, "args": args}, tmp_path / "model.pth")
    found = inspect(tmp_path / "model.pth").preprocessing
    assert (found.mean, found.std) == (((0.286,), (0.353,)) if believed else (None, None))
