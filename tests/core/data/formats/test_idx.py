"""The MNIST family's files: plain, packed, named otherwise, there twice."""

from __future__ import annotations

import gzip
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from primesvt_core.data import open_data
from tests.support.data_files import IMAGES, idx, refused, samples


@pytest.mark.parametrize("packed", [True, False])
def test_idx_files_open_by_their_folder_and_by_their_images(packed: bool, tmp_path: Path) -> None:
    idx(tmp_path / "a", packed=packed)
    idx(tmp_path / "a", "train", packed=packed)
    data = open_data(tmp_path / "a")
    np.testing.assert_array_equal(samples(data)[..., 0], IMAGES[..., 0])
    by_name = open_data(next((tmp_path / "a").glob("t10k-images*")))
    assert by_name.fingerprint() == data.fingerprint()


def test_a_folder_with_one_part_of_idx_files_is_that_part(tmp_path: Path) -> None:
    [note] = open_data(idx(tmp_path, "train")).notes
    assert "has no test data: its train part was read" in note
    assert open_data(tmp_path, part="train").notes == ()
    idx(tmp_path, "t10k")
    (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
    assert len(open_data(tmp_path)) == 6
    refused(tmp_path / "train-images-idx3-ubyte.gz", "data_format", "train-labels-idx1-ubyte.gz")


def test_idx_files_open_by_their_labels_too(tmp_path: Path) -> None:
    idx(tmp_path)
    by_labels = open_data(tmp_path / "t10k-labels-idx1-ubyte.gz")
    assert by_labels.fingerprint() == open_data(tmp_path).fingerprint()


def test_idx_files_that_lie_are_refused(tmp_path: Path) -> None:
    root = idx(tmp_path, packed=False)
    images = root / "t10k-images-idx3-ubyte"
    content = images.read_bytes()
    images.write_bytes(content[:100])
    refused(root, "data_undecodable", images.name)
    images.write_bytes(struct.pack(">HBB3I", 0, 8, 3, 2**31, 2**15, 2**15))
    refused(root, "data_unsafe", images.name)
    (root / "t10k-labels-idx1-ubyte").unlink()
    refused(root, "data_format", "t10k-labels-idx1-ubyte")


def test_a_file_that_holds_more_than_it_declares_is_refused(tmp_path: Path) -> None:
    images = idx(tmp_path, packed=False) / "t10k-images-idx3-ubyte"
    images.write_bytes(images.read_bytes() + b"\0")
    refused(tmp_path, "data_format", "holds more than")


def dotted(root: Path) -> Path:
    """Every file once more, with a dot, as Kaggle has it."""
    for file in [*root.iterdir()]:
        shutil.copy(file, root / file.name.replace("-idx", ".idx"))
    return root


def in_folders(root: Path) -> Path:
    """Every file once more, in a folder of its own name."""
    for file in [file for file in root.iterdir() if file.is_file()]:
        target = root / file.name.replace("-idx", ".idx")
        file.rename(target)
        (root / file.name).mkdir()
        shutil.copy(target, root / file.name / file.name)
    return root


def both_below(root: Path) -> Path:
    idx(root / "raw", packed=False)
    return idx(root / "packed", packed=True).parent


TWICE: dict[str, Callable[[Path], Path]] = {
    "plain and packed": lambda root: idx(idx(root), packed=False),
    "dots and dashes": lambda root: dotted(idx(root)),
    "in folders": lambda root: in_folders(idx(idx(root, packed=False), "train", packed=False)),
    "in two folders": both_below,
}


@pytest.mark.parametrize("kind", TWICE)
def test_files_that_are_there_twice_are_read_once(kind: str, tmp_path: Path) -> None:
    root = TWICE[kind](tmp_path / "set")
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for file in sorted(file for file in root.rglob("*") if file.is_file()):
            archive.write(file, file.relative_to(root).as_posix())
    for data in (open_data(root), open_data(tmp_path / "set.zip")):
        np.testing.assert_array_equal(samples(data)[..., 0], IMAGES[..., 0])
    for file in root.rglob("t10k-images*"):
        assert len(open_data(file)) == 6


@pytest.mark.parametrize("kind", TWICE)
def test_copies_that_differ_are_refused(kind: str, tmp_path: Path) -> None:
    root = TWICE[kind](tmp_path / "set")
    file = max((file for file in root.rglob("t10k-images*") if file.is_file()), key=lambda file: len(file.parts))
    opener = gzip.open if file.suffix == ".gz" else open
    with opener(file, "rb") as source:
        content = source.read()
    with opener(file, "wb") as target:
        target.write(content[:-1] + bytes([content[-1] ^ 1]))
    refused(root, "data_format", "the contents differ")


def test_files_of_several_data_sets_are_refused(tmp_path: Path) -> None:
    idx(tmp_path, "emnist-letters-test")
    idx(tmp_path, "emnist-digits-test")
    refused(tmp_path, "data_format", "emnist-digits-test-images-idx3-ubyte, emnist-letters-test-images-idx3-ubyte")
