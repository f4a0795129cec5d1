"""Every family through the whole pipeline: read, profiled, searched, fine-tuned, confirmed, delivered, evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import JsonValue

from primesvt_core.cli.fitting import fits
from primesvt_core.data import batches, open_data
from primesvt_core.evaluation.evaluate import evaluate
from primesvt_core.exporting import ExportRequest, export
from primesvt_core.families._base import Value
from primesvt_core.intake.inspect import inspect
from primesvt_core.intake.loading import build as build_model
from primesvt_core.intake.loading import load_state
from primesvt_core.pipeline import Request, compress
from primesvt_core.report import publishing
from primesvt_core.spec import PixelReading, PreprocessingOverrides, SplitSizes, parse
from tests.support.goldens import FAMILY_KEYS, Golden
from tests.support.references import Reference, references
from tests.support.shared import needs_shared

pytestmark = pytest.mark.usefixtures("one_thread")
IMAGES = 32
MORE_IMAGES = 48
"""On which what fits best is told from what does not."""

SIZES = SplitSizes(calibration_images=4, search_images=8, confirmation_images=12)
SPLITS: dict[str, JsonValue] = SIZES.model_dump(exclude_unset=True)
GROUPS = 3


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of layers, groups and figures, which any family has: tests/core/report draws them."""
    monkeypatch.setattr(publishing, "draw", lambda _report: {})


def smallest(family: str) -> Golden:
    """The family's reference model that is quickest to run: of the smallest images, for the fewest time steps."""
    found = references(family)
    if not found:
        pytest.skip("no ../shared beside this checkout")
    return min(found, key=lambda reference: (prod(reference.input_shape[1:]), reference.name)).load()


def checkpoint(golden: Golden, folder: Path, **others: object) -> Path:
    """The golden model as a training script would save it, with ``others`` of its arguments."""
    args = {field: getattr(golden.config, field) for field in golden.family.hyperparameters} | others
    torch.save({"model": golden.state, "args": args, "epoch": 1}, folder / "model.pth")
    return folder / "model.pth"


def labelled(golden: Golden, path: Path, folder: Path, count: int = IMAGES, *, beyond: bool = False) -> Path:
    """Random samples, labelled with what the model itself says of them: it is right on all.

    Those ``beyond`` the 0-1 scale tell models apart better, and need a mean and deviation.
    """
    shape = (count, *golden.input.shape[1:])
    if golden.input.dim() == 5:  # frames hold counts of events
        samples = np.random.default_rng(0).integers(0, 3, shape).astype(np.float32)
    elif beyond:
        samples = golden.input.numpy().std() * np.random.default_rng(0).standard_normal(shape, np.float32)
    else:
        samples = np.random.default_rng(0).random(shape, np.float32)
    target = folder / "data.npz"
    np.savez(target, images=samples, labels=np.zeros(count, np.int64))
    found = inspect(path)
    model = build_model(found.family, found.config, load_state(found, folder / "checkpoint.safetensors"))
    data = open_data(target)
    with torch.inference_mode():
        labels = [
            model(torch.from_numpy(batch.images)).argmax(1).numpy()
            for batch in batches(data, range(count), found.preprocessing, 8)
        ]
    np.savez(target, images=samples, labels=np.concatenate(labels).astype(np.int64))
    return target


QUICK = ("spikformer", "qkformer", "sdtv3", "maxformer", "spikingresformer")
"""Families of which each computes otherwise; the others with `make test-thorough`."""


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize(
    "family", [key if key in QUICK else pytest.param(key, marks=pytest.mark.thorough) for key in FAMILY_KEYS]
)
def test_the_whole_pipeline(family: str, tmp_path: Path) -> None:
    golden = smallest(family)
    path = checkpoint(golden, tmp_path)
    data = labelled(golden, path, tmp_path)
    names = [group.name for group in golden.family.groups(golden.config)]
    asked: dict[str, JsonValue] = {
        "budget": {"min_memory_saving": 0.01},
        "rates": [0.5],
        "groups": [*names[:GROUPS], names[-1]],
        "splits": SPLITS,
        "fine_tuning": {"epochs": 1, "batch_size": 6},
        "batch_size": 8,
    }
    request = Request(
        checkpoint=path, data=data, spec=parse(asked), out=tmp_path / "out", workspace=tmp_path / "workspace"
    )
    report = compress(request)
    assert report.family == family
    # Random samples come near thresholds, where the engine may round otherwise than the modules that labelled them.
    assert report.baseline.correct is not None
    assert report.baseline.correct >= report.baseline.samples - 1
    assert report.verdict == "met"
    assert report.memory_saving >= 0.01
    assert report.fine_tuning is not None
    before, after = (sum(getattr(x, f"parameter_bytes_{when}") for x in report.layers) for when in ("before", "after"))
    assert before - after == report.baseline.parameter_bytes - report.pruned.parameter_bytes
    delivered = inspect(tmp_path / "out" / "model.safetensors")
    assert delivered.config.model_dump(mode="json") == report.config
    found = evaluate(tmp_path / "out" / "model.safetensors", data)
    assert (found.split, found.accuracy) == ("confirmation", report.pruned.accuracy)
    _check_export(tmp_path, path, data, found.accuracy)


@pytest.mark.usefixtures("no_pictures")
def test_a_pruned_model_is_pruned_again(tmp_path: Path) -> None:
    """And is exported at the shapes of the first original, whose preprocessing it keeps."""
    golden = smallest("sj_qkformer")
    path = checkpoint(golden, tmp_path, mean=[0.1, 0.2, 0.3], std=[0.9, 0.8, 0.7])
    data = labelled(golden, path, tmp_path)
    asked: dict[str, JsonValue] = {
        "budget": {"min_memory_saving": 0.005}, "rates": [0.25], "groups": ["stage3.*.mlp.fc1", "stream.3"],
        "splits": SPLITS, "batch_size": 8,
    }  # fmt: skip
    accuracy = 1.0
    for model, out in ((path, "first"), (tmp_path / "first" / "model.safetensors", "out")):
        last = compress(
            Request(checkpoint=model, data=data, spec=parse(asked), out=tmp_path / out, workspace=tmp_path / f"w-{out}")
        )
        assert (last.verdict, last.baseline.accuracy) == ("met", accuracy)
        assert last.pruned.accuracy is not None
        accuracy = last.pruned.accuracy
        assert inspect(tmp_path / out / "model.safetensors").preprocessing.mean == (0.1, 0.2, 0.3)
        assert "preprocessing from the checkpoint: mean=(0.1, 0.2, 0.3), std=(0.9, 0.8, 0.7)" in last.notes
    _check_export(tmp_path, path, data, accuracy)


def _check_export(folder: Path, original: Path, data: Path, accuracy: float) -> None:
    """The export for the public code has the original's names and shapes, and the pruned model's accuracy."""
    model = folder / "out" / "model.safetensors"
    export(ExportRequest(model=model, target="masked", out=folder / "masked.pth", original=original))
    was = inspect(original)
    asked = {field: getattr(was.config, field) for field in was.family.hyperparameters}
    assert inspect(folder / "masked.pth", asked).shapes == was.shapes
    found = evaluate(
        folder / "masked.pth", data, split_name="confirmation", assumptions=asked, sizes=SIZES, batch_size=8,
        preprocessing=was.overrides,
    )  # fmt: skip
    assert found.accuracy == accuracy


def told_nothing(reference: Reference, folder: Path) -> tuple[Golden, Path, Path]:
    """A model without the arguments that say how to run it, and data that it is right on if run as it should be."""
    golden = reference.load()
    path = checkpoint(golden, folder)
    data = labelled(golden, path, folder, MORE_IMAGES, beyond=True)
    torch.save(golden.state, path)
    return golden, path, data


def own_statistics(path: Path, known: Mapping[str, Value]) -> PixelReading:
    """The model's mean and deviation, given by the caller, so that values beyond 0-1 are taken."""
    own = inspect(path, known).preprocessing
    return PixelReading(preprocessing=PreprocessingOverrides(mean=own.mean or (0.0,), std=own.std or (1.0,)))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("spikformer-imagenet-T2", marks=needs_shared),
        pytest.param("sdtv2-imagenet-T1", marks=[needs_shared, pytest.mark.thorough]),
        "sj_sdt-cifar",  # three time steps, and no heads
        pytest.param("sj_qkformer-uneven", marks=pytest.mark.thorough),  # heads that differ from stage to stage
    ],
)
def test_the_heads_and_time_steps_that_a_model_was_trained_with_fit_best(name: str, tmp_path: Path) -> None:
    [reference] = [reference for reference in references() if reference.name == name]
    golden, path, data = told_nothing(reference, tmp_path)
    values = golden.config.model_dump()
    open_ = ("num_heads", "time_steps")
    known = {f: values[f] for f in golden.family.hyperparameters if f not in open_}
    found = fits(path, data, known, lambda _done, _total: None, pixels=own_statistics(path, known)).choices
    [truth] = [
        fit for fit in found if (fit.num_heads, fit.time_steps) == (values.get("num_heads"), values["time_steps"])
    ]
    assert truth.accuracy == found[0].accuracy == 1.0  # others may do as well on so few images
    assert found[-1].accuracy < 1.0
    assert len({(fit.num_heads, fit.time_steps) for fit in found}) == len(found)


def test_what_data_or_caller_tell_is_not_tried(tmp_path: Path) -> None:
    [events] = [reference for reference in references() if reference.name == "sj_spikformer-events"]
    golden, path, data = told_nothing(events, tmp_path)
    counts = []
    found = fits(path, data, {"image_size": 64}, lambda done, total: counts.append((done, total))).choices
    assert {fit.time_steps for fit in found} == {16}  # frames bring theirs, whatever is assumed
    assert sorted(int(fit.num_heads or 0) for fit in found) == [1, 2, 4, 8, 16, 32]  # of a width of 32
    assert counts[-1] == (len(found), len(found))
    found = fits(path, data, {"image_size": 64, "num_heads": 1}, lambda _done, _total: None).choices
    assert [(fit.num_heads, fit.accuracy) for fit in found] == [(1, 1.0)]
    assert golden.config.model_dump()["num_heads"] == 1


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [("spikingformer-cml_cifar-T4", "downsampling", "cml_cifar"), ("sdtv3-large_1x8", "levels", 8)],
)
def test_what_a_field_may_be_is_tried(name: str, field: str, value: Value, tmp_path: Path) -> None:
    [reference] = [reference for reference in references() if reference.name == name]
    golden, path, data = told_nothing(reference, tmp_path)
    values = golden.config.model_dump()
    known = {each: values[each] for each in golden.family.hyperparameters if each != field}
    pixels = own_statistics(path, {**known, field: value})
    found = fits(path, data, known, lambda _done, _total: None, pixels=pixels).choices
    assert {dict(fit.others)[field] for fit in found} == {*golden.family.hyperparameters[field].choices}
    assert (dict(found[0].others)[field], found[0].accuracy) == (value, 1.0)
    assert found[1].accuracy < 1.0
    assert found[0].to_json()[field] == value


def test_what_is_tried_is_preprocessed_as_the_caller_says(tmp_path: Path) -> None:
    [reference] = [reference for reference in references() if reference.name == "sj_sdt-cifar"]
    golden, path, data = told_nothing(reference, tmp_path)
    known = {each: value for each, value in golden.config.model_dump().items() if each in golden.family.hyperparameters}
    black = PixelReading(preprocessing=PreprocessingOverrides(mean=(0.0,), std=(1e9,)))
    [right], [blind] = (
        fits(path, data, known, lambda _done, _total: None, pixels=pixels).choices
        for pixels in (own_statistics(path, known), black)
    )
    assert (right.accuracy, blind.accuracy < 1.0) == (1.0, True)
