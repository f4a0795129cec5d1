"""A whole compression whose weights are stored as int8: the file is what the report says, and what was confirmed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

import primesvt_core
from primesvt_core import exporting
from primesvt_core.checkpoints.precisions import is_weight
from primesvt_core.checkpoints.stored_weights import KEY, SCALES
from primesvt_core.engines import Images
from primesvt_core.evaluation.accuracy import Tick
from primesvt_core.evaluation.activity import measure
from primesvt_core.evaluation.evaluate import evaluate
from primesvt_core.evaluation.time_steps import correct_by_step
from primesvt_core.intake.inspect import inspect
from primesvt_core.layers.model import SpikingModel
from primesvt_core.method import export, predicted
from primesvt_core.method.candidates import fingerprint
from primesvt_core.method.run import begin
from primesvt_core.pipeline import Request, compress, prepare
from primesvt_core.report.schema import Report
from primesvt_core.spec import parse
from primesvt_core.types import Plan
from tests.support.embedded import EXAMPLES

CHECKPOINT, DATA = EXAMPLES / "spikformer-digits.pth.tar", EXAMPLES / "digits.npz"


class Delivered(NamedTuple):
    """A run's report and results."""

    report: Report
    out: Path

    @property
    def model(self) -> Path:
        return self.out / "model.safetensors"


def request(out: Path, checkpoint: Path = CHECKPOINT, **asked: str) -> Request:
    spec = parse(
        {
            "budget": {"max_accuracy_drop": 0.05}, "rates": [0.75], "groups": ["block.*.mlp.*"],
            "criterion": "l2", "repair": "closed_form",
            "splits": {"search_images": 40, "confirmation_images": 200, "calibration_images": 40}, **asked,
        }
    )  # fmt: skip
    return Request(checkpoint=checkpoint, data=DATA, spec=spec, out=out, workspace=out / "workspace")


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Delivered:
    out = tmp_path_factory.mktemp("int8")
    return Delivered(compress(request(out, weights="int8")), out)


def test_the_file_holds_int8_and_has_the_size_of_the_report(delivered: Delivered) -> None:
    report, unused = delivered.report, inspect(delivered.model).to_json()["unused_tensors"]
    assert not report.is_original
    assert isinstance(unused, list)
    with safe_open(delivered.model, "np") as file:
        assert json.loads(file.metadata()[KEY]) == {"precision": "int8", "version": 1}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    weights = {name for name, tensor in tensors.items() if is_weight(name, tensor.shape)}
    assert {tensors[name].dtype for name in weights} == {np.dtype(np.int8)}
    assert {name + SCALES for name in weights} == {name for name in tensors if name.endswith(SCALES)}
    counted = {name: tensor for name, tensor in tensors.items() if name.removesuffix(SCALES) not in unused}
    assert report.stored_bytes is not None
    assert report.stored_bytes == sum(tensor.nbytes for tensor in counted.values())
    assert report.stored_saving == 1 - report.stored_bytes / report.baseline.parameter_bytes
    header = int.from_bytes(delivered.model.read_bytes()[:8], "little")
    assert report.pruned.file_bytes == 8 + header + sum(tensor.nbytes for tensor in tensors.values())
    assert report.pruned.file_bytes == delivered.model.stat().st_size


def test_spikes_are_counted_over_the_first_calibration_images(
    delivered: Delivered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "SPIKES_OF", 5)
    again = request(delivered.out, weights="int8")
    report = compress(replace(again, out=tmp_path / "again"))  # the same run, which remembers what it has found
    images = prepare(again).images
    model = primesvt_core.load(delivered.model)
    assert isinstance(model, SpikingModel)
    found = measure(model, images.batches(images.splits.calibration[:5]))
    assert report.pruned.spikes_per_image == pytest.approx(found.spikes_per_image)
    assert report.pruned.spikes_per_image != delivered.report.pruned.spikes_per_image


def test_memory_is_that_of_pruning_alone(delivered: Delivered) -> None:
    report = delivered.report
    assert report.memory_saving == 1 - report.pruned.parameter_bytes / report.baseline.parameter_bytes
    assert report.pruned.parameter_bytes == inspect(delivered.model).to_json()["parameter_bytes"]
    assert report.stored_saving is not None
    assert 1 - report.stored_saving < 0.4 * (1 - report.memory_saving)
    assert sum(layer.parameter_bytes_before for layer in report.layers) <= report.baseline.parameter_bytes
    assert all(layer.parameter_bytes_after <= layer.parameter_bytes_before for layer in report.layers)
    assert {point.parameter_bytes for point in report.curve} >= {report.pruned.parameter_bytes}


def test_what_was_confirmed_is_what_the_file_gives(delivered: Delivered) -> None:
    report = delivered.report
    assert report.confirmation.held
    found = evaluate(delivered.model, DATA)
    assert (found.split, found.correct, found.samples) == ("confirmation", report.pruned.correct, 200)
    lines = (delivered.out / "workspace" / "cells.jsonl").read_text().splitlines()
    cells = {cell["key"]: cell["value"] for cell in map(json.loads, lines)}
    name = f"confirmation-closed_form-stored-int8/{fingerprint(Plan(report.plan))}"
    bits = "".join(value[-1] for key, value in cells.items() if key == name or key.startswith(f"{name}/"))
    assert len(bits) == 200
    assert bits.count("1") == found.correct


def resumed(out: Path, delivered: Delivered, disturb: Callable[[str], str] = str) -> tuple[Report, int]:
    """A copy of the run, of which only the report is missing, what its tests found changed: its report made anew, and
    how many images the delivered model is shown.
    """
    shutil.copytree(delivered.out, out)
    (out / "report.json").unlink()
    cells = out / "workspace" / "cells.jsonl"
    lines = [json.loads(line) for line in cells.read_text().splitlines()]
    for line in lines:
        if line["key"].startswith("confirmation-") and isinstance(line["value"], list):  # of a candidate
            line["value"] = [disturb(bits) for bits in line["value"]]
    cells.write_text("".join(json.dumps(line) + "\n" for line in lines))
    shown: list[int] = []

    def counted(model: SpikingModel, images: Images, tick: Tick = lambda _: None) -> list[list[bool]]:
        found = correct_by_step(model, images, tick)
        shown.append(len(found[-1]))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predicted, "correct_by_step", counted)
        return compress(request(out, weights="int8")), sum(shown)


def test_what_its_test_has_found_is_taken_over(delivered: Delivered, tmp_path: Path) -> None:
    report, shown = resumed(tmp_path / "again", delivered)
    assert shown == 50  # the first batch of 200, by which it is compared
    assert report.time_steps == delivered.report.time_steps
    assert report.pruned.correct == delivered.report.pruned.correct


def test_a_model_that_says_otherwise_than_its_test_is_shown_all_images(delivered: Delivered, tmp_path: Path) -> None:
    report, shown = resumed(tmp_path / "again", delivered, lambda bits: str(1 - int(bits[0])) + bits[1:])
    assert shown == 50 + 200
    assert report.pruned.correct == evaluate(tmp_path / "again" / "model.safetensors", DATA).correct


def test_names_dtypes_and_values_are_compared() -> None:
    state = {"weight": torch.ones(2), "bias": torch.zeros(1)}
    assert export.same_values(state, {name: value.clone() for name, value in state.items()})
    assert not export.same_values(state, {**state, "bias": torch.full((1,), 1e-30)})
    assert not export.same_values(state, {**state, "weight": torch.ones(2, dtype=torch.float64)})
    assert not export.same_values(state, {"weight": state["weight"]})


def test_it_is_what_the_run_computed_with_bit_for_bit(delivered: Delivered) -> None:
    candidates = begin(prepare(request(delivered.out, weights="int8"))).candidates  # a run that is resumed
    after = delivered.report.pruned.parameter_bytes
    rates = next(point.rates for point in delivered.report.curve if point.parameter_bytes == after)
    images = candidates.images.blocks(candidates.images.splits.confirmation).block(0)[0]
    with torch.inference_mode():
        loaded = primesvt_core.load(delivered.model)(images)
        assert torch.equal(candidates._sliced(rates)(images), loaded)


def test_it_is_pruned_again_in_the_precision_that_it_has(delivered: Delivered, tmp_path: Path) -> None:
    again = prepare(request(tmp_path, delivered.model))
    assert (again.precision, again.memory_before) == ("int8", delivered.report.pruned.parameter_bytes)
    smallest = again.stored_bytes(again.deepest)
    assert smallest < again.memory(again.deepest) / 2
    assert prepare(request(tmp_path / "other", delivered.model, weights="float32")).precision == "float32"


def test_where_nothing_more_is_removed_it_is_delivered_bit_for_bit(delivered: Delivered, tmp_path: Path) -> None:
    again = prepare(request(tmp_path, delivered.model, weights="float16"))
    kept, had = again.build_pruned({}).stored, load_file(delivered.model)
    assert kept.written.keys() == had.keys()
    assert all(torch.equal(kept.written[name], tensor) for name, tensor in had.items())
    assert json.loads(kept.metadata[KEY])["precision"] == "int8"
    assert again.stored_bytes({}) == delivered.report.stored_bytes
    assert again.stored_bytes(again.deepest) < again.memory(again.deepest)


def test_it_is_exported_for_other_software(delivered: Delivered, tmp_path: Path) -> None:
    full_file = tmp_path / "full.safetensors"
    asked = exporting.ExportRequest(model=delivered.model, target="masked", out=full_file, original=CHECKPOINT)
    exporting.export(asked)
    config = inspect(CHECKPOINT).config
    images = torch.rand(3, config.in_channels, config.image_size, config.image_size, dtype=torch.float64)
    full, small = primesvt_core.load(tmp_path / "full.safetensors"), primesvt_core.load(delivered.model)
    with torch.inference_mode():
        assert torch.allclose(full.double()(images), small.double()(images), rtol=0, atol=1e-9)
    assert not [name for name in load_file(tmp_path / "full.safetensors") if name.endswith(SCALES)]
