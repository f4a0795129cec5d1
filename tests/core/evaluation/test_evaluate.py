"""Models meet data: accuracies, and errors of data that does not quite fit."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch.utils.data import TensorDataset

from primesvt_core.data import from_dataset, open_data
from primesvt_core.errors import DataError
from primesvt_core.evaluation.evaluate import Evaluation, evaluate
from primesvt_core.intake.provenance import Provenance, metadata
from primesvt_core.spec import ClassReading, PreprocessingOverrides, SplitSizes
from tests.support import tiny


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.pth"
    torch.save({"model": tiny.model().state_dict(), "args": {"T": 2, "num_heads": 2, "img_size": 16}}, path)
    return path


def images(folder: Path, *classes: str, each: int = 2) -> Path:
    """A folder of pictures of the tiny model's size."""
    chance = np.random.default_rng(0)
    for name in classes:
        (folder / name).mkdir(parents=True)
        for number in range(each):
            pixels = chance.integers(0, 256, (tiny.CONFIG.image_size, tiny.CONFIG.image_size), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def of_data(found: Evaluation) -> tuple[str, ...]:
    """Notes on the data set; that an untrained model guesses is another one."""
    return tuple(note for note in found.notes if "is near chance" not in note)


def test_all_of_a_few_images_are_evaluated(checkpoint: Path, tmp_path: Path) -> None:
    found = evaluate(checkpoint, images(tmp_path / "few", "a", "b", "c"), split_name="all")
    assert (found.samples, of_data(found)) == (6, ())
    with pytest.raises(DataError, match="at least 20 are needed"):
        evaluate(checkpoint, tmp_path / "few", split_name="search")


def test_a_model_that_guesses_is_noted(checkpoint: Path, tmp_path: Path) -> None:
    pictures, _ = tiny.images(60)
    labels = np.repeat(np.arange(tiny.CLASSES), 20)
    np.savez(tmp_path / "guessed.npz", images=pictures, labels=labels)
    found = evaluate(checkpoint, tmp_path / "guessed.npz")
    [note] = found.notes
    assert f"{found.accuracy:.2%} is near chance" in note
    assert "33.33% of these 60 images" in note
    assert found.to_json()["notes"] == [note]


FEWER = ClassReading(allow_fewer_classes=True)


def test_fewer_classes_than_the_model_has_are_refused_unless_allowed(checkpoint: Path, tmp_path: Path) -> None:
    data = images(tmp_path / "part", "b")
    with pytest.raises(DataError, match=r"part has 1 classes \(b\), but the model has 3") as refusal:
        evaluate(checkpoint, data, split_name="all")
    assert refusal.value.error_code == "data_classes"
    assert "--allow-fewer-classes" in refusal.value.message
    [note] = evaluate(checkpoint, data, split_name="all", classes=FEWER).notes
    assert "part has 1 classes, but the model has 3: their numbers were taken for those of the model's first 1" in note


def test_labels_that_are_numbers_are_the_models_own(checkpoint: Path, tmp_path: Path) -> None:
    found = evaluate(checkpoint, images(tmp_path / "few", "0", "1"), split_name="all")
    assert found.classes == ("0", "1")
    assert "go up to 1, but the model has 3 classes: they were taken as the model's own numbers" in found.notes[0]


def test_classes_are_numbered_as_the_family_does_or_as_the_caller_says(checkpoint: Path, tmp_path: Path) -> None:
    data = images(tmp_path / "set", "1", "2", "10")
    assert evaluate(checkpoint, data, split_name="all").classes == ("1", "2", "10")
    plain = evaluate(checkpoint, data, split_name="all", classes=ClassReading(class_order="plain"))
    assert (plain.classes, of_data(plain)) == (("1", "10", "2"), ())
    listed = ClassReading(class_order=("10", "2", "1"))
    assert evaluate(checkpoint, data, split_name="all", classes=listed).classes == ("10", "2", "1")
    assert evaluate(checkpoint, data, split_name="all").to_json()["classes"] == ["1", "2", "10"]


def test_what_states_other_numbers_is_refused_where_nobody_decided(checkpoint: Path, tmp_path: Path) -> None:
    data = images(tmp_path / "set", "a", "b", "c")
    (data / "classes.txt").write_text("c\nb\na\n")
    with pytest.raises(DataError, match="class 0 is c there, and a in natural order"):
        evaluate(checkpoint, data, split_name="all")
    chosen = evaluate(checkpoint, data, split_name="all", classes=ClassReading(class_order="natural"))
    assert (chosen.classes, len(of_data(chosen))) == (("a", "b", "c"), 1)


def test_a_pruned_model_remembers_how_classes_were_numbered(tmp_path: Path) -> None:
    order = ("c", "b", "a")
    provenance = Provenance(
        family="spikformer", config=tiny.CONFIG.model_dump(mode="json"), data_fingerprint="none", splits=SplitSizes(),
        seed=0, preprocessing=PreprocessingOverrides(), batch_size=1, class_order=order, plan={},
    )  # fmt: skip
    path = tmp_path / "pruned.safetensors"
    save_file(tiny.model().state_dict(), path, metadata(provenance))
    data = images(tmp_path / "set", "a", "b", "c")
    assert evaluate(path, data, split_name="all").classes == order
    plain = evaluate(path, data, split_name="all", classes=ClassReading(class_order="plain"))
    assert plain.classes == ("a", "b", "c")


def test_grey_and_coloured_pictures_together_are_named(checkpoint: Path, tmp_path: Path) -> None:
    data = images(tmp_path / "mixed", "a", "b", "c")
    with Image.open(data / "b" / "0.png") as picture:
        picture.convert("RGB").save(data / "b" / "0.png")
    with pytest.raises(DataError, match="grey and coloured"):
        evaluate(checkpoint, data, split_name="all")


def test_a_data_set_is_a_file_or_a_folder(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.npz")
    with pytest.raises(DataError, match="neither a file nor a folder"):
        open_data(tmp_path / "pipe.npz")


def test_names_that_are_no_utf_8_are_read_as_latin_1(checkpoint: Path, tmp_path: Path) -> None:
    plain = images(tmp_path / "plain", "a", "b")
    odd = tmp_path / os.fsdecode(b"caf\xe9")
    shutil.copytree(plain, odd)
    (odd / "a").rename(odd / os.fsdecode(b"\xe4"))
    data = open_data(odd)
    assert (data.name, data.classes) == ("caf\xe9", ("b", "\xe4"))
    assert data.fingerprint() != open_data(plain).fingerprint()
    assert evaluate(checkpoint, odd, split_name="all", classes=FEWER).data == "caf\xe9"


def test_a_python_data_set_is_evaluated_as_its_file_is(checkpoint: Path, tmp_path: Path) -> None:
    pictures, labels = tiny.images(30)
    tensors = TensorDataset(torch.from_numpy(pictures).unsqueeze(1) / 255, torch.from_numpy(labels))
    found = evaluate(checkpoint, from_dataset(tensors, name="tensors"), assumptions={"image_size": 16})
    wanted = evaluate(checkpoint, tiny.data_file(tmp_path, 30), assumptions={"image_size": 16})
    assert (found.data, found.samples, found.accuracy) == ("tensors", 30, wanted.accuracy)


@pytest.mark.parametrize(
    ("side", "size", "is_noted"), [(16, 32, True), (32, 32, False), (40, 32, False), (16, 16, False)]
)
def test_pictures_that_are_enlarged_are_noted(
    side: int, size: int, is_noted: bool, checkpoint: Path, tmp_path: Path
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (24, side, side), np.uint8)
    np.savez(tmp_path / "set.npz", images=pixels, labels=np.arange(24) % 3)
    found = evaluate(checkpoint, tmp_path / "set.npz", assumptions={"image_size": size})
    told = f"are {side} x {side} and were enlarged to {size} x {size}"
    assert [told in note for note in of_data(found)] == [True] * is_noted
    asked = PreprocessingOverrides(resize=size, crop=size)
    assert of_data(evaluate(checkpoint, tmp_path / "set.npz", preprocessing=asked)) == ()


def test_what_was_changed_in_the_file_is_said_with_the_accuracy(tmp_path: Path) -> None:
    state = {f"module.{name}": value for name, value in tiny.model().state_dict().items()}
    args = {"T": 2, "num_heads": 2, "img_size": 16, "mean": (0.5,), "std": (0.5,)}
    torch.save({"model": state, "args": args}, tmp_path / "tiny.pth")
    notes = evaluate(tmp_path / "tiny.pth", tiny.data_file(tmp_path)).notes
    assert any("the part module. was removed" in note for note in notes)
    assert any("preprocessing from the checkpoint: mean=(0.5,), std=(0.5,)" in note for note in notes)
