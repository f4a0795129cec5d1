"""Models meet data: accuracies, and errors of data that does not quite fit."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import TensorDataset

from primesvt_core.data import from_dataset, open_data
from primesvt_core.errors import DataError
from primesvt_core.evaluation.evaluate import evaluate
from tests.support import tiny


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.pth"
    torch.save({"model": tiny.model().state_dict(), "args": {"T": 2, "num_heads": 2}}, path)
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


def test_all_of_a_few_images_are_evaluated(checkpoint: Path, tmp_path: Path) -> None:
    found = evaluate(checkpoint, images(tmp_path / "few", "a", "b", "c"), split_name="all")
    assert (found.samples, found.notes) == (6, ())
    with pytest.raises(DataError, match="at least 20 are needed"):
        evaluate(checkpoint, tmp_path / "few", split_name="search")


def test_classes_that_are_missing_are_told(checkpoint: Path, tmp_path: Path) -> None:
    [note] = evaluate(checkpoint, images(tmp_path / "part", "b"), split_name="all").notes
    assert "part has 1 classes" in note
    assert "in the order of their names" in note


def test_grey_and_coloured_pictures_together_are_named(checkpoint: Path, tmp_path: Path) -> None:
    data = images(tmp_path / "mixed", "a", "b")
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
    assert evaluate(checkpoint, odd, split_name="all").data == "caf\xe9"


def test_a_python_data_set_is_evaluated_as_its_file_is(checkpoint: Path, tmp_path: Path) -> None:
    pictures, labels = tiny.images(30)
    tensors = TensorDataset(torch.from_numpy(pictures).unsqueeze(1) / 255, torch.from_numpy(labels))
    found = evaluate(checkpoint, from_dataset(tensors, name="tensors"), assumptions={"image_size": 16})
    wanted = evaluate(checkpoint, tiny.data_file(tmp_path, 30), assumptions={"image_size": 16})
    assert (found.data, found.samples, found.accuracy) == ("tensors", 30, wanted.accuracy)
