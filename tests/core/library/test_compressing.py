"""A compression from Python: data sets of torch's, an own metric, tables, progress; the same as by the command."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.data import DataLoader, TensorDataset

import primesvt
from primesvt_client.progress import Progress
from primesvt_core.errors import Cancelled, MissingExtra, NotRetargetable, SpecError
from primesvt_core.library import sources
from tests.support import tiny

WANTED = {
    "min_memory_saving": 0.1, "rates": (0.25, 0.5), "repair": "closed_form", "criterion": "l2", "search_images": 30,
    "confirmation_images": 60, "max_accuracy_drop": 0.5,
}  # fmt: skip


def top2(logits: Tensor, label: int) -> bool:
    return label in logits.topk(2).indices.tolist()


@pytest.fixture(scope="module")
def made() -> tuple[dict[str, Tensor], TensorDataset]:
    """Weights at which neurons fire on these images, whose labels are what the model says of them."""
    pixels = torch.randint(0, 256, (120, 1, tiny.SIDE, tiny.SIDE), generator=torch.Generator().manual_seed(0))
    images, model = pixels.to(torch.uint8), tiny.model()
    for norm in (module for module in model.modules() if isinstance(module, _BatchNorm)):
        norm.momentum = 1.0
    with torch.no_grad():
        model.train()(images.float() / 255)
        labels = model.eval()(images.float() / 255).argmax(1)
    assert len(labels.unique()) > 1
    return model.state_dict(), TensorDataset(images, labels)


@pytest.fixture(scope="module")
def data(made: tuple[dict[str, Tensor], TensorDataset]) -> TensorDataset:
    return made[1]


@pytest.fixture(scope="module")
def checkpoint(made: tuple[dict[str, Tensor], TensorDataset], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("library") / "tiny.pth"
    torch.save({"model": made[0], "args": {"T": 2, "num_heads": 2, "image_size": tiny.SIDE}}, path)
    return path


@pytest.fixture(scope="module")
def run(checkpoint: Path, data: TensorDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "first"
    primesvt.compress(checkpoint, data, out, metric=top2, **WANTED)  # type: ignore[arg-type]
    return out


def test_a_finished_run_has_its_report_and_a_model_that_loads(run: Path) -> None:
    report = primesvt.Report.model_validate_json((run / "report.json").read_text())
    assert report.metric == "top2"
    assert any("what top2, a function of whoever asked, says" in note for note in report.notes)
    assert report.memory_saving >= 0.1
    model = primesvt.load(run / "model.safetensors")
    assert model(torch.rand(2, 1, tiny.SIDE, tiny.SIDE)).shape == (2, tiny.CLASSES)


def test_accuracies_are_those_of_the_metric(run: Path, checkpoint: Path, data: TensorDataset) -> None:
    report = primesvt.Report.model_validate_json((run / "report.json").read_text())
    again = primesvt.evaluate(run / "model.safetensors", DataLoader(data, 7), metric=top2)
    assert (again.split, again.metric, again.accuracy) == ("confirmation", "top2", report.pruned.accuracy)
    plain = primesvt.evaluate(run / "model.safetensors", data)
    assert plain.metric is None
    x = torch.stack([data[index][0] for index in range(len(data))]).float() / 255
    with torch.no_grad():
        logits = primesvt.load(str(checkpoint))(x)
    labels = torch.stack([data[index][1] for index in range(len(data))])
    of_all = primesvt.evaluate(str(checkpoint), data, metric=top2)
    assert of_all.correct == sum(map(top2, logits, labels.tolist()))
    assert primesvt.evaluate(checkpoint, data).correct == int((logits.argmax(1) == labels).sum())


def test_another_budget_needs_the_same_metric(run: Path, checkpoint: Path, data: TensorDataset, tmp_path: Path) -> None:
    for metric, told in ((None, "judged by top2"), (lambda logits, label: int(logits.argmin()) == label, "metric")):
        with pytest.raises(NotRetargetable, match=told):
            primesvt.retarget(run, tmp_path / "a", max_accuracy_drop=0.4, data=data, metric=metric)
    report = primesvt.retarget(run, tmp_path / "b", max_accuracy_drop=0.4, data=data, metric=top2)
    assert report.metric == "top2"
    assert report.family_of_budgets is not None


def test_a_plan_is_a_report_or_rates(run: Path, checkpoint: Path, data: TensorDataset, tmp_path: Path) -> None:
    first = primesvt.Report.model_validate_json((run / "report.json").read_text())
    sliced = primesvt.prune(checkpoint, first, tmp_path / "sliced")
    assert isinstance(sliced, primesvt.SlicedReport)
    assert sliced.memory_saving == first.memory_saving
    again = primesvt.prune(
        checkpoint, {"block.*": 0.25}, tmp_path / "again", data=data, repair="none", criterion="l1", search_images=30,
        confirmation_images=60, metric=top2,
    )  # fmt: skip
    assert isinstance(again, primesvt.Report)
    assert again.metric == "top2"
    with pytest.raises(SpecError, match="without data nothing is measured"):
        primesvt.prune(checkpoint, first, tmp_path / "no", metric=top2)


def test_what_a_disagreement_promises_asks_no_metric(checkpoint: Path, data: TensorDataset, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="top2 is not asked"):
        primesvt.compress(checkpoint, data, tmp_path / "out", metric=top2, max_disagreement=0.5)
    assert not (tmp_path / "out").exists(), "what was refused leaves nothing"


def test_progress_is_told_and_may_stop_a_run_that_goes_on(
    checkpoint: Path, data: TensorDataset, tmp_path: Path
) -> None:
    seen: list[Progress] = []

    def stop(progress: Progress) -> None:
        seen.append(progress)
        if progress.step == "sort":
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        primesvt.compress(checkpoint, data, tmp_path / "out", on_progress=stop, **WANTED)  # type: ignore[arg-type]
    assert {str(one.step) for one in seen} >= {"intake", "baseline", "sort"}
    with pytest.raises(SpecError, match="not empty"):
        primesvt.compress(checkpoint, data, tmp_path / "out", **WANTED)  # type: ignore[arg-type]
    report = primesvt.compress(checkpoint, data, tmp_path / "out", resume=True, **WANTED)  # type: ignore[arg-type]
    assert report.metric is None


def test_tables_are_records_and_frames(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = primesvt.Report.model_validate_json((run / "report.json").read_text())
    document = json.loads((run / "report.json").read_text())
    records = report.layers.to_records()
    assert [row["parameters_after"] for row in records] == [row["parameters_after"] for row in document["layers"]]
    assert len(report.curve.to_records()) == len(document["curve"])
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtra, match=r"pip install 'primesvt\[frames\]'"):
        report.layers.to_frame()


def test_a_frame_has_a_column_for_every_field(run: Path) -> None:
    pytest.importorskip("pandas", reason="the extra frames is not installed")
    report = primesvt.Report.model_validate_json((run / "report.json").read_text())
    frame = report.layers.to_frame()
    assert frame["parameters_before"].sum() == sum(row.parameters_before for row in report.layers)
    assert [*report.curve.to_frame().columns] == [*type(report.curve[0]).model_fields]


def test_inspecting_takes_assumptions(checkpoint: Path) -> None:
    found = primesvt.inspect(str(checkpoint), time_steps=3)
    assert (found.family_key, found.config.time_steps) == ("spikformer", 3)


def test_arrays_are_data_where_they_are_pairs() -> None:
    pictures, labels = tiny.images(30)
    found = sources.opened([*zip(pictures, labels, strict=True)])
    assert isinstance(found, primesvt.DataSet)
    assert np.array_equal(found.labels, labels)
