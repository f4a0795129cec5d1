"""What nothing in a file tells and nobody may assume: inspected, named, and not computed before it is told."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch

from primesvt_core.errors import CheckpointMismatch, SpecError, UnknownFamily
from primesvt_core.evaluation.evaluate import evaluate
from primesvt_core.families._base import Value
from primesvt_core.intake.inspect import inspect
from primesvt_core.intake.loading import load
from primesvt_core.pipeline import Request, compress
from primesvt_core.spec import parse
from primesvt_core.testing.models import save_pruned
from primesvt_core.types import Plan
from tests.support.checkpoints import golden, saved
from tests.support.goldens import golden_files, load_golden
from tests.support.shared import needs_shared

CML = "spikingformer-cml_imagenet-T4"
QUESTION = "neither tensors nor args say which downsampling this Spikingformer has; assume one of downsampling=sped"


def refused(action: object, *args: object, **more: object) -> None:
    assert callable(action)
    with pytest.raises(SpecError, match=QUESTION) as refusal:
        action(*args, **more)
    assert refusal.value.error_code == "assumption_needed"


def test_it_is_inspected_and_asked_but_not_computed(tmp_path: Path) -> None:
    path, data = saved(golden(CML), tmp_path), tmp_path / "data.npz"
    np.savez(data, images=np.zeros((40, 32, 32, 3), np.uint8), labels=np.arange(40) % 10)
    found = inspect(path)
    assert [(each.field, each.value) for each in found.unanswered] == [("downsampling", "sped")]
    assert any(QUESTION in note for note in found.notes)
    assert found.facts().notes == found.notes
    refused(load, path)
    refused(evaluate, path, data)
    request = Request(
        checkpoint=path,
        data=data,
        spec=parse({"budget": {"min_memory_saving": 0.01}}),
        out=tmp_path / "out",
        workspace=tmp_path / "w",
    )
    refused(compress, request)


def test_told_it_computes_what_the_public_code_does(tmp_path: Path) -> None:
    [file] = [file for file in golden_files("spikingformer") if file.stem == CML]
    record, path = load_golden(file), saved(golden(CML), tmp_path)
    known: dict[str, Value] = {"num_heads": 4, "time_steps": 4, "image_size": 64}
    far, near = (
        load(path, {**known, "downsampling": name})(record.input).detach() - record.tensors["logits"]
        for name in ("sped", "cml")
    )
    assert near.abs().max() <= 1e-4
    assert far.abs().max() > 0.1
    assert inspect(path, {"downsampling": "cml"}).unanswered == ()


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ({"patch_size": 4}, ("cml_cifar", "checkpoint")),
        ({"patch_size": 16}, ("sped", "default")),
        ({"patch_size": 16, "downsampling": "cml"}, ("cml", "checkpoint")),
        ({}, ("sped", "default")),
    ],
)
def test_a_patch_size_of_four_with_the_names_of_the_imagenet_model_is_of_cml(
    args: dict[str, object], told: tuple[str, str], tmp_path: Path
) -> None:
    torch.save({"state_dict": golden("spikingformer-cml_cifar-T4"), "args": Namespace(**args)}, tmp_path / "m.pth")
    found = inspect(tmp_path / "m.pth")
    [each] = [each for each in found.assumptions if each.field == "downsampling"]
    assert (each.value, each.source) == told
    assert found.config.variant == ("cifar" if told[0] == "cml_cifar" else "imagenet")
    assert found.config.image_size == 32  # ten classes
    assert found.unanswered == (() if told[1] == "checkpoint" else (each,))


@pytest.mark.parametrize("value", ["cml_cifar", "lif"])
def test_a_downsampling_that_no_such_model_has_is_refused(value: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=f"downsampling is {value}, which is none of sped, cml"):
        inspect(saved(golden("spikingformer-cml_dvs-T3"), tmp_path), {"downsampling": value})


@needs_shared
@pytest.mark.parametrize(
    ("name", "field", "value"), [("spikingformer-imagenet-T2", "downsampling", "sped"), ("sdtv3-base", "levels", 4)]
)
def test_pruned_models_from_before_a_field_was_known_have_what_there_was_then(
    name: str, field: str, value: object, tmp_path: Path
) -> None:
    [file] = [file for file in golden_files(name.split("-")[0]) if file.stem == name]
    record, path = load_golden(file), tmp_path / "model.safetensors"

    class Older(type(record.config)):  # type: ignore[misc]  # chosen when it runs
        def model_dump(self, **options: object) -> dict[str, object]:
            return {name: value for name, value in super().model_dump(**options).items() if name != field}

    older = Older.model_validate(record.config.model_dump())
    save_pruned(record.key, older, record.state, Plan(), path)
    found = inspect(path)
    assert getattr(found.config, field) == value
    assert found.unanswered == ()
    with pytest.raises(SpecError, match=r"num_classes is assumed to be 3"):
        inspect(path, {"num_classes": 3})


def test_levels_are_named_and_change_what_is_computed(tmp_path: Path) -> None:
    [file] = [file for file in golden_files("sdtv3") if file.stem == "sdtv3-large_1x8"]
    record, path = load_golden(file), saved(golden("sdtv3-large_1x8"), tmp_path)
    known: dict[str, Value] = {"num_heads": 4, "image_size": 64}
    logits = {}
    for levels, source in ((4, "default"), (8, "caller")):
        model = load(path, known if source == "default" else {**known, "levels": levels})
        assert ("levels", levels, source) in [(each.field, each.value, each.source) for each in model.assumptions]
        logits[levels] = model(record.input).detach()
    assert (logits[8] - record.tensors["logits"]).abs().max() <= 1e-4
    assert (logits[4] - record.tensors["logits"]).abs().max() > 1


STEP = "spikformer-step_cifar-T4"


@pytest.mark.parametrize(
    ("args", "wrong"),
    [
        ({"node_type": "LIFNode", "step": 6}, "step=4, but its args have step=6"),
        ({"node_type": "LIFNode", "tau": 1.5}, "tau=2.0, but its args have tau=1.5"),
        ({"attn_scale": 0.25}, "attn_scale=0.125, but its args have attn_scale=0.25"),
        ({"node_type": "LIFNode", "step": 4, "tau": 2.0, "attn_scale": 0.125}, None),
    ],
)
def test_arguments_with_which_a_model_of_step_computes_something_else_are_refused(
    args: dict[str, object], wrong: str | None, tmp_path: Path
) -> None:
    torch.save({"state_dict": golden(STEP), "args": Namespace(**args)}, tmp_path / "m.pth")
    if wrong is None:
        assert inspect(tmp_path / "m.pth").unanswered == ()
        return
    with pytest.raises(UnknownFamily, match=wrong):
        inspect(tmp_path / "m.pth")


def test_the_thresholds_that_a_model_of_step_stores_are_those_it_computes_with(tmp_path: Path) -> None:
    known: dict[str, Value] = {"neuron": "lif", "num_heads": 4}
    state, name = golden(STEP), "block.0.attn.attn_lif.threshold"
    assert state[name] == 0.5
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    logits = []
    for threshold in (0.5, 0.25):
        model = load(saved(state | {name: torch.tensor(threshold)}, tmp_path), known)
        assert model.get_submodule("block.0.attn.attn_lif").v_threshold == threshold
        assert model.state_dict()[name] == threshold
        logits.append(model(x).detach())
    assert not torch.equal(*logits)


@pytest.mark.parametrize("threshold", [0.0, -1.0])
def test_a_threshold_at_which_nothing_can_be_silent_is_refused(threshold: float, tmp_path: Path) -> None:
    state = golden(STEP) | {"patch_embed.rpe_lif.threshold": torch.tensor(threshold)}
    with pytest.raises(CheckpointMismatch, match=r"threshold of patch_embed\.rpe_lif is .*must be above 0"):
        load(saved(state, tmp_path), {"neuron": "lif"})
