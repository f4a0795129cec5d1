"""The preparation of a run: nothing else when it goes on, and no model that guesses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import JsonValue

from primesvt_core.data import from_dataset
from primesvt_core.errors import DataError, SpecError, WorkspaceMismatch
from primesvt_core.method.candidates import Candidates
from primesvt_core.method.run import begin
from primesvt_core.pipeline import Request, prepare
from primesvt_core.spec import parse
from tests.support import tiny
from tests.support.plugins import refound

BUDGET: dict[str, JsonValue] = {"max_accuracy_drop": 0.5}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.save({"model": tiny.model().state_dict(), "args": {"T": 2, "num_heads": 2}}, tmp_path / "tiny.pth")
    return tmp_path / "tiny.pth"


def test_a_criterion_that_needs_what_this_run_does_not_have_is_refused_before_any_evaluation(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tidal.py").write_text(
        "from primesvt_core.criteria import Criterion\nCRITERION = Criterion(score=print, needs=frozenset({'tides'}))\n"
    )
    monkeypatch.setenv("PRIMESVT_CRITERIA", str(tmp_path))
    data = tiny.data_file(tmp_path)
    with refound():
        spec = parse({"budget": BUDGET, "criterion": "tidal"})
        request = Request(checkpoint=checkpoint, data=data, spec=spec, out=tmp_path, workspace=tmp_path / "w")
        with pytest.raises(SpecError, match=r"'tidal' of the criteria .* needs tides"):
            prepare(request)


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

    first = prepare(request(tmp_path / "one.npz"))
    assert first.training is not None
    assert len(first.training.indices) == 90
    prepare(request(tmp_path / "one.npz"))
    for other in (tmp_path / "two.npz", None):
        with pytest.raises(WorkspaceMismatch, match="another calibration images, training data"):
            prepare(request(other))


def test_training_data_have_the_classes_of_the_evaluation_data(checkpoint: Path, tmp_path: Path) -> None:
    pictures, labels = tiny.images(90)
    for number, (pixels, label) in enumerate(zip(pictures, labels, strict=True)):
        for part, name in (("val", "abc"[label]), ("train", "abc"[label]), ("other", "bcd"[label])):
            (tmp_path / part / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels ^ (part == "train")).save(tmp_path / part / name / f"{number}.png")
    (tmp_path / "train" / "a" / "more.heic").write_bytes(b"")

    def prepared(train: str) -> Candidates:
        request = Request(
            checkpoint=checkpoint, data=tmp_path / "val", spec=parse({"budget": BUDGET}), out=tmp_path,
            workspace=tmp_path / f"w-{train}", train_data=tmp_path / train,
        )  # fmt: skip
        return prepare(request)

    assert prepared("train").training_notes == ("Files in class folders were not read as pictures: 1 .heic.",)
    with pytest.raises(DataError, match="class 0 is b in the training data other, but a in val"):
        prepared("other")


def test_data_sets_may_be_python_objects(checkpoint: Path, tmp_path: Path) -> None:
    pictures, labels = tiny.images(120)
    other = tiny.images(90)[0] + np.uint8(1)
    data, training = (from_dataset([*zip(one, labels, strict=False)]) for one in (pictures, other))
    request = Request(
        checkpoint=checkpoint, data=data, spec=parse({"budget": BUDGET}), out=tmp_path, workspace=tmp_path / "w",
        train_data=training,
    )  # fmt: skip
    found = prepare(request)
    assert (found.images.data.fingerprint(), found.calibration_source[1]) == (
        data.fingerprint(),
        training.fingerprint(),
    )
    with pytest.raises(SpecError, match="training data list are the images that the result is confirmed on"):
        prepare(replace(request, train_data=data))


def test_training_data_that_nothing_looks_at_or_that_confirms_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    data = tiny.data_file(tmp_path)
    pictures, labels = tiny.images(90)
    np.savez(tmp_path / "other.npz", images=pictures + np.uint8(1), labels=labels)

    def prepared(train: Path, **asked: JsonValue) -> Candidates:
        spec = parse({"budget": BUDGET, **asked})
        workspace = tmp_path / f"w{len(asked)}-{train.stem}"
        return prepare(
            Request(checkpoint=checkpoint, data=data, spec=spec, out=tmp_path, workspace=workspace, train_data=train)
        )

    with pytest.raises(SpecError, match=r"nothing looks at the training data other\.npz"):
        prepared(tmp_path / "other.npz", preset="paper")
    with pytest.raises(SpecError, match="which nothing may learn from"):
        prepared(data)
    found = prepared(tmp_path / "other.npz")
    assert found.calibration_source[0] == "training data"
    images = [found.calibration_images.block(block)[0] for block in range(len(found.calibration_images))]
    assert sum(map(len, images)) == 90


@pytest.mark.parametrize("preset", ["paper", "deep"])
def test_what_the_original_takes_images_for_is_what_its_accuracy_counts(
    preset: str, checkpoint: Path, tmp_path: Path
) -> None:
    spec = parse({"preset": preset, "budget": BUDGET})
    data = tiny.data_file(tmp_path)
    run = begin(prepare(Request(checkpoint=checkpoint, data=data, spec=spec, out=tmp_path, workspace=tmp_path / "w")))
    start, seen = run.start(), run.seen()
    assert len(seen.labels) == run.compared_images
    assert (seen.labels == seen.taken).mean() == pytest.approx(start.accuracy)
