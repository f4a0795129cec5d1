"""The public layout with args evaluates as the model does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from primesvt_core.checkpoints import read
from primesvt_core.errors import CheckpointMismatch
from primesvt_core.evaluation.evaluate import evaluate
from primesvt_core.exporters._loaded import load_model
from primesvt_core.exporting import ExportRequest, export
from primesvt_core.families._recipes import overrides_of
from primesvt_core.intake.inspect import inspect
from primesvt_core.spec import PreprocessingOverrides
from primesvt_core.testing.models import FamilyModel, tiny
from primesvt_core.types import Plan
from tests.support.embedded import EXAMPLES
from tests.support.exports import saved
from tests.support.goldens import FAMILY_KEYS
from tests.support.references import Reference, references
from tests.support.thorough import IS_THOROUGH

CHECKPOINT, DATA = EXAMPLES / "spikformer-digits.pth.tar", EXAMPLES / "digits.npz"
KEYS = FAMILY_KEYS if IS_THOROUGH else ("spikformer", "sdtv3", "sj_qkformer")
FIRST = [references(key)[0] for key in KEYS if references(key)]


def official(model: Path, out: Path, original: Path | None = None) -> Path:
    export(ExportRequest(model=model, target="masked" if original else "official", out=out, original=original))
    return out


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example's model, pruned a little, with its own T, heads and preprocessing."""
    found = load_model(CHECKPOINT)
    x = torch.rand(2, 1, 16, 16)
    model = FamilyModel(key="spikformer", config=found.config, state=dict(found.state), input=x)
    hidden = {name: kept for name, kept in model.plan(0.25).kept.items() if ".mlp." in name}
    path = tmp_path_factory.mktemp("digits") / "model.safetensors"
    model.save_pruned(Plan(hidden), path)
    return path


@pytest.mark.parametrize(
    "name",
    [
        "official.pth.tar",
        *(pytest.param(f"official.{kind}", marks=pytest.mark.thorough) for kind in ("pth", "safetensors")),
    ],
)
def test_a_pruned_model_evaluates_the_same(name: str, digits: Path, tmp_path: Path) -> None:
    wanted = evaluate(digits, DATA, split_name="search")
    found = evaluate(official(digits, tmp_path / name), DATA, split_name="search")
    assert 0.3 < found.accuracy == wanted.accuracy
    assert inspect(tmp_path / name).config == inspect(digits).config


def test_the_masked_one_evaluates_the_same_and_is_no_pruned_model(digits: Path, tmp_path: Path) -> None:
    full = official(digits, tmp_path / "full.pth", CHECKPOINT)
    assert evaluate(full, DATA, split_name="search").accuracy == evaluate(digits, DATA, split_name="search").accuracy
    assert inspect(full).config == inspect(CHECKPOINT).config
    assert not inspect(full).provenance.plan  # type: ignore[union-attr]
    with pytest.raises(CheckpointMismatch, match="does not say which channels it kept"):
        official(full, tmp_path / "again.pth", CHECKPOINT)


def test_args_alone_say_how_a_model_is_run(digits: Path, tmp_path: Path) -> None:
    """For code that knows nothing of PrimeSVT: what a training script would have kept."""
    content = torch.load(official(digits, tmp_path / "official.pth"), weights_only=True)
    assert {*content} == {"state_dict", "args", "primesvt"}
    args = content["args"]
    assert (args["T"], args["time_steps"], args["num_heads"], args["img_size"]) == (4, 4, 8, 16)
    torch.save({name: content[name] for name in ("state_dict", "args")}, tmp_path / "bare.pth")
    bare = inspect(tmp_path / "bare.pth")
    assert bare.provenance is None
    assert bare.config == inspect(digits).config
    assert bare.preprocessing == inspect(digits).preprocessing


def test_an_original_of_any_kind_is_taken(tmp_path: Path) -> None:
    out = official(CHECKPOINT, tmp_path / "official.safetensors")
    assert inspect(out).config == inspect(CHECKPOINT).config
    assert read(out).tensors.keys() == read(CHECKPOINT).tensors.keys()


def test_preprocessing_is_said_as_timm_says_it(tmp_path: Path) -> None:
    state = {"model": tiny().state, "args": {"T": 2, "num_heads": 2, "image_size": 16, "mean": [0.2], "crop_pct": 0.8}}
    torch.save(state, tmp_path / "own.pth")
    wanted = inspect(tmp_path / "own.pth")
    assert (wanted.preprocessing.resize, wanted.preprocessing.mean) == (20, (0.2,))
    args = read(official(tmp_path / "own.pth", tmp_path / "official.pth")).args
    told = overrides_of(args, wanted.config)
    assert (told.resize, told.mean, told.interpolation) == (20, (0.2,), wanted.preprocessing.interpolation)


def test_preprocessing_that_the_caller_knows_is_kept(digits: Path, tmp_path: Path) -> None:
    own = PreprocessingOverrides(mean=(0.3,), std=(0.4,))
    for model in (CHECKPOINT, digits):
        for name in ("official.pth", "official.safetensors"):
            out = tmp_path / model.name.partition(".")[0] / name
            out.parent.mkdir(exist_ok=True)
            report = export(ExportRequest(model=model, target="official", out=out, preprocessing=own))
            assert report.preprocessing == inspect(out).preprocessing == inspect(model).preprocessing.overridden(own)


def test_classes_are_those_of_the_models_own_report(digits: Path, tmp_path: Path) -> None:
    model, names = tmp_path / "model.safetensors", [f"digit {n}" for n in range(10)]
    model.write_bytes(digits.read_bytes())
    for number, (sha256, wanted) in enumerate([(inspect(model).checkpoint.sha256, tuple(names)), ("0" * 64, ())]):
        told = {"data": {"classes": names}, "model_sha256": sha256}
        (tmp_path / "report.json").write_text(json.dumps(told))
        report = export(ExportRequest(model=model, target="official", out=tmp_path / f"{number}.pth"))
        assert report.classes == wanted


@pytest.mark.parametrize("reference", FIRST, ids=lambda reference: reference.name)
def test_every_family_is_read_back_as_it_was(reference: Reference, tmp_path: Path) -> None:
    path = saved(reference.load(), tmp_path / "model.safetensors", 0.5)
    found = inspect(official(path, tmp_path / "official.pth"))
    assert (found.config, found.preprocessing) == (inspect(path).config, inspect(path).preprocessing)
