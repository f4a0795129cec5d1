"""What a run takes in: devices that are there, training data that fits, and nothing else when it goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import JsonValue

from primesvt_core.data import check_same_classes, open_data
from primesvt_core.errors import DataError, SpecError, WorkspaceMismatch
from primesvt_core.evaluation.accuracy import pick_device
from primesvt_core.evaluation.evaluate import evaluate
from primesvt_core.pipeline import Request, is_near_chance, take_in
from primesvt_core.spec import parse
from tests.support import tiny

BUDGET: dict[str, JsonValue] = {"max_accuracy_drop": 0.5}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.save({"model": tiny.model().state_dict(), "args": {"T": 2, "num_heads": 2}}, tmp_path / "tiny.pth")
    return tmp_path / "tiny.pth"


@pytest.mark.parametrize(
    "name",
    ["gpu", "mps", "cuda:", "cuda:x", "cpu:0", "meta", "", "CUDA", "cuda:-1", "cuda:00", "cuda:128", "cuda:\u0663"],
)
def test_names_of_no_device_are_refused(name: str) -> None:
    with pytest.raises(SpecError, match="use auto, cpu, cuda or cuda:N"):
        pick_device(name)


def test_a_gpu_that_is_not_there_is_refused(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    for name in ("cuda", "cuda:0", "cuda:7"):
        with pytest.raises(SpecError, match=f"no {name}: torch finds no GPU"):
            evaluate(checkpoint, checkpoint, device=name)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(SpecError, match="cuda:0 to cuda:1"):
        pick_device("cuda:2")


@pytest.mark.parametrize(
    ("accuracy", "classes", "samples", "is_near"),
    [(1.0, 2, 15, False), (1.0, 10, 1, False), (0.9, 2, 15, True), (0.12, 10, 1000, True), (0.9, 10, 1000, False)],
)
def test_who_is_always_right_does_not_guess(accuracy: float, classes: int, samples: int, is_near: bool) -> None:
    assert is_near_chance(accuracy, classes, samples) is is_near


def test_auto_is_a_device_of_this_machine() -> None:
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert pick_device("cpu") == torch.device("cpu")


def test_a_run_goes_on_with_the_same_training_data_only(checkpoint: Path, tmp_path: Path) -> None:
    data = tiny.data_file(tmp_path)
    pictures, labels = tiny.images(90)
    for name, brightness in (("one", 0), ("two", 1)):
        np.savez(tmp_path / f"{name}.npz", images=pictures + np.uint8(brightness), labels=labels)

    def request(train: Path | None, epochs: int = 1) -> Request:
        spec = parse({"budget": BUDGET, "fine_tuning": {"epochs": epochs}})
        return Request(
            checkpoint=checkpoint, data=data, spec=spec, out=tmp_path, workspace=tmp_path / "w", train_data=train
        )

    first = take_in(request(tmp_path / "one.npz"))
    assert first.training is not None
    assert len(first.training.indices) == 90
    take_in(request(tmp_path / "one.npz"))
    for other in (tmp_path / "two.npz", None):
        with pytest.raises(WorkspaceMismatch, match="another training data"):
            take_in(request(other))


def folder(path: Path, *classes: str) -> Path:
    for name in classes:
        (path / name).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(path / name / "image.png")
    return path


def test_training_classes_are_those_of_the_evaluation(tmp_path: Path) -> None:
    evaluation = open_data(folder(tmp_path / "val", "bird", "cat", "dog"))
    check_same_classes(open_data(folder(tmp_path / "train", "bird", "cat", "dog")), evaluation)
    for name, classes, told in (
        ("other", ("ant", "bird", "cat", "dog"), "class 0 is ant .* but bird"),
        ("fewer", ("bird", "cat"), "class 2 is missing .* but dog"),
    ):
        with pytest.raises(DataError, match=told) as refusal:
            check_same_classes(open_data(folder(tmp_path / name, *classes)), evaluation)
        assert refusal.value.error_code == "data_classes"
    check_same_classes(open_data(tiny.data_file(tmp_path)), evaluation)  # numbers only: nothing to compare
