"""Runs that promise a disagreement: right is what the original says, and labels decide nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import JsonValue

from primesvt_core.data import from_dataset
from primesvt_core.errors import BudgetUnprovable, DataError, SpecError
from primesvt_core.evaluation.splits import open_splits
from primesvt_core.intake.inspect import inspect
from primesvt_core.intake.loading import load
from primesvt_core.pipeline import Request, compress, prepare
from primesvt_core.promise.disagreement import disagreement_upper_bound
from primesvt_core.report.schema import Report
from primesvt_core.retargeting import RetargetRequest, retarget
from primesvt_core.spec import PreprocessingOverrides, SplitSizes, parse
from tests.support.embedded import EXAMPLES

CHECKPOINT, DIGITS = EXAMPLES / "spikformer-digits.pth.tar", EXAMPLES / "digits.npz"
SPLITS: dict[str, JsonValue] = {"calibration_images": 30, "search_images": 50, "confirmation_images": 120}
COUNT = 300


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with some digits, with labels and without."""
    folder = tmp_path_factory.mktemp("own-answers")
    with np.load(DIGITS) as digits:
        images, labels = digits["images"][:COUNT], digits["labels"][:COUNT]
    np.savez(folder / "labelled.npz", images=images, labels=labels)
    np.savez(folder / "without.npz", images=images)
    return folder


def run(inputs: Path, data: str, out: str, preset: str = "deep", **spec: Any) -> Report:
    document = {
        "preset": preset, "budget": {"max_disagreement": 0.3}, "splits": SPLITS, "repair": "none", "criterion": "l2",
        "rates": [0.5], "groups": ["block.*"], "batch_size": 50, **spec,
    }  # fmt: skip
    request = Request(
        checkpoint=CHECKPOINT, data=inputs / data, spec=parse(document), out=inputs / out,
        workspace=inputs / out / "workspace",
    )  # fmt: skip
    return compress(request)


@pytest.fixture(scope="module")
def found(inputs: Path) -> Report:
    """A run without labels."""
    return run(inputs, "without.npz", "without")


def predicted(model: Path, inputs: Path) -> NDArray[np.int64]:
    """What a saved model says of all images, by its modules alone."""
    images = open_splits(
        inspect(model), inputs / "without.npz", PreprocessingOverrides(), SplitSizes(), seed=0, batch_size=50,
        may_lack_labels=True,
    )  # fmt: skip
    network = load(model)
    with torch.inference_mode():
        said = [network(torch.from_numpy(batch.images)).argmax(1) for batch in images.batches(range(COUNT))]
    return torch.cat(said).numpy()


def test_the_report_has_the_disagreement_and_no_accuracy(found: Report, inputs: Path) -> None:
    held = found.confirmation
    assert (found.accuracy_drop, found.baseline.accuracy, found.pruned.accuracy, found.pruned.correct) == (None,) * 4
    assert (held.accuracy_drop, held.lost, held.won, held.allowed_drop) == (None,) * 4
    assert (found.classes, found.data.classes, found.data.is_labelled) == ((), (), False)
    assert found.search_accuracy_drop is None
    assert all(point.accuracy is None and point.accuracy_drop is None for point in found.curve)
    assert all(cell.accuracy is None and cell.disagreement is not None for cell in found.profile)
    assert held.allowed_disagreement == 0.3
    assert held.differing is not None
    assert found.disagreement == held.disagreement == held.differing / held.samples
    assert held.held
    assert held.disagreement_upper_bound is not None
    assert held.disagreement_upper_bound <= 0.3
    assert held.drop_upper_bound == held.disagreement_upper_bound
    summary = found.summary().document()
    assert summary["disagreement"] == found.disagreement
    assert not {"accuracy_drop", "pruned_accuracy", "baseline_accuracy"} & summary.keys()
    for text in ((inputs / "without" / "report.html").read_text(), found.model_dump_json()):
        assert "None" not in text


def test_what_is_reported_is_what_both_models_say(found: Report, inputs: Path) -> None:
    before, after = predicted(CHECKPOINT, inputs), predicted(inputs / "without" / "model.safetensors", inputs)
    listed = {image.index: (image.class_before, image.class_after) for image in found.differing_images}
    assert len(listed) == found.confirmation.differing
    differing = {index: (int(before[index]), int(after[index])) for index in np.flatnonzero(before != after)}
    assert listed == {index: pair for index, pair in differing.items() if index in listed}
    bound = disagreement_upper_bound(found.confirmation.samples, len(listed), 0.95)
    assert found.confirmation.disagreement_upper_bound == pytest.approx(bound)


@pytest.mark.thorough
def test_labels_decide_nothing_and_tell_accuracies(found: Report, inputs: Path) -> None:
    labelled = run(inputs, "labelled.npz", "labelled")
    assert labelled.data.is_labelled
    assert labelled.accuracy_drop is not None
    assert labelled.disagreement is not None
    assert labelled.accuracy_drop <= labelled.disagreement
    assert labelled.confirmation.lost is not None
    held = labelled.confirmation
    assert (held.lost or 0) + (held.won or 0) <= (held.differing or 0)
    assert sum(each.images for each in labelled.classes) == labelled.confirmation.samples
    assert labelled.time_steps[-1].accuracy_before == labelled.baseline.accuracy
    assert labelled.curve[0].accuracy is None


@pytest.mark.thorough
def test_a_policy_that_goes_by_accuracy_goes_by_agreement(inputs: Path) -> None:
    report = run(inputs, "without.npz", "paper", preset="paper")
    assert report.verdict in ("met", "accuracy_floor_reached", "not_proven")
    assert all(cell.accuracy_drop is None and cell.disagreement is not None for cell in report.profile)
    assert report.confirmation.differing == len(report.differing_images)


def test_agreement_after_fewer_time_steps_ends_at_all_of_them(found: Report) -> None:
    assert found.time_steps[-1].disagreement_before == 0.0
    assert found.time_steps[-1].disagreement_after == pytest.approx(found.disagreement)
    assert all(each.accuracy_before is None for each in found.time_steps)


def test_a_run_again_ends_as_it_did(found: Report, inputs: Path) -> None:
    assert run(inputs, "without.npz", "without").model_dump(exclude={"timings"}) == found.model_dump(
        exclude={"timings"}
    )


def test_another_budget_is_a_disagreement_too(found: Report, inputs: Path) -> None:
    def asked(out: str, **budget: Any) -> RetargetRequest:
        return RetargetRequest(
            run=inputs / "without", out=inputs / out, workspace=inputs / out / "workspace",
            checkpoint=CHECKPOINT, data=inputs / "without.npz", **budget,
        )  # fmt: skip

    report = retarget(asked("other", max_disagreement=0.5))
    assert report.family_of_budgets is not None
    assert (report.family_of_budgets.first_budget, report.family_of_budgets.budgets) == (0.3, (0.5,))
    assert report.confirmation.allowed_disagreement == 0.5
    assert report.memory_saving >= found.memory_saving
    with pytest.raises(SpecError, match="give another --max-disagreement"):
        retarget(asked("wrong", max_accuracy_drop=0.1))
    with pytest.raises(SpecError, match="give another --max-disagreement"):
        retarget(asked("none"))


def request_for(inputs: Path, tmp_path: Path, data: Any, **spec: JsonValue) -> Request:
    document: dict[str, JsonValue] = {"budget": {"max_disagreement": 0.3}, "splits": SPLITS, **spec}
    return Request(
        checkpoint=CHECKPOINT, data=data, spec=parse(document), out=tmp_path, workspace=tmp_path / "workspace"
    )


def test_what_needs_labels_is_refused_by_name(inputs: Path, tmp_path: Path) -> None:
    without = inputs / "without.npz"
    with pytest.raises(SpecError, match="needs labels"):
        prepare(request_for(inputs, tmp_path, without, criterion="taylor"))
    with pytest.raises(SpecError, match="fine-tuning learns from labels") as refusal:
        prepare(request_for(inputs, tmp_path / "tuned", without, fine_tuning={"epochs": 1}))
    assert refusal.value.error_code == "data_unlabelled"
    with pytest.raises(DataError, match="--max-disagreement"):
        prepare(request_for(inputs, tmp_path / "accuracy", without, budget={"max_accuracy_drop": 0.3}))
    with pytest.raises(BudgetUnprovable, match="disagreement"):
        prepare(request_for(inputs, tmp_path / "unprovable", without, budget={"max_disagreement": 0.001}))


def test_a_criterion_that_needs_labels_has_those_that_are_there(inputs: Path, tmp_path: Path) -> None:
    found = prepare(request_for(inputs, tmp_path, inputs / "labelled.npz", criterion="taylor"))
    assert found.labelled_images is not None
    _, labels = found.labelled_images.block(0)
    chosen = found.images.splits.calibration[: len(labels)]
    assert labels.tolist() == found.images.data.labels[[*chosen]].tolist()


def test_images_that_calibrate_need_no_labels_either(inputs: Path, tmp_path: Path) -> None:
    with np.load(DIGITS) as digits:
        other = from_dataset([*digits["images"][COUNT : COUNT + 90]], is_labelled=False)
    request = replace(request_for(inputs, tmp_path, inputs / "without.npz"), train_data=other)
    assert prepare(request).calibration_source[0] == "training data"


def test_the_document_of_a_budget_names_one_promise() -> None:
    for other in ("max_accuracy_drop", "min_accuracy"):
        with pytest.raises(SpecError, match=f"max_disagreement: .*in place of {other}"):
            parse({"budget": {"max_disagreement": 0.1, other: 0.1}})
    spec = parse({"budget": {"max_disagreement": 0.1, "min_memory_saving": 0.2}})
    assert json.loads(spec.model_dump_json())["budget"]["max_disagreement"] == 0.1
    assert "max_disagreement" not in parse({"budget": {"max_accuracy_drop": 0.1}}).model_dump()["budget"]
