"""CIFAR's python files, published or written again: their pickles are data, not programs."""

from __future__ import annotations

import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from primesvt_core.data import open_data
from primesvt_core.errors import DataError
from tests.support.data_files import CLASSES, IMAGES, LABELS, as_python2, cifar, samples

PIXELS = np.zeros((6, 32, 32, 3), np.uint8)
PIXELS[:, :8, :8] = IMAGES[:, :8, :8]
PLANES = PIXELS.transpose(0, 3, 1, 2)
FLAT = np.ascontiguousarray(PLANES).reshape(6, 3072)

PICKLERS: dict[str, Callable[[object], bytes]] = {
    "python 2": as_python2,
    "python 3, protocol 2": lambda content: pickle.dumps(content, protocol=2),
    "python 3, protocol 4": lambda content: pickle.dumps(content, protocol=4),
}


@pytest.mark.parametrize("by", PICKLERS)
def test_cifars_python_archive(by: str, tmp_path: Path) -> None:
    data = open_data(cifar(tmp_path, PICKLERS[by]))
    assert data.classes == CLASSES
    np.testing.assert_array_equal(data.labels, LABELS)
    np.testing.assert_array_equal(samples(data)[:, :8, :8], IMAGES[:, :8, :8])


class Payload:
    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return (open, (str(Path.cwd() / "primesvt-canary"), "w"))


def test_a_cifar_batch_that_is_a_program_is_not_run(tmp_path: Path) -> None:
    with pytest.raises(DataError) as refusal:
        open_data(cifar(tmp_path, lambda content: pickle.dumps(content, protocol=2), extra=Payload()))
    assert refusal.value.error_code == "data_unsafe"
    assert not (Path.cwd() / "primesvt-canary").exists()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"labels": ["0"] * 6}, "labels"),
        ({"labels": [10**30] * 6}, "labels"),
        ({"labels": [7] * 6}, "no class"),
        ({"data": [1, 2]}, "3,072"),
    ],
)
def test_a_cifar_batch_that_lies_is_refused(changes: dict[str, object], named: str, tmp_path: Path) -> None:
    path = cifar(tmp_path, lambda content: pickle.dumps(content, protocol=2), **changes)
    with pytest.raises(DataError) as refusal:
        open_data(path)
    assert named in refusal.value.message


def protocol(number: int) -> Callable[[object], bytes]:
    return lambda content: pickle.dumps(content, protocol=number)


@pytest.mark.parametrize("number", [2, 4, 5])
@pytest.mark.parametrize(
    "changes",
    [
        {"data": FLAT},
        {"data": np.asfortranarray(FLAT)},
        {"data": FLAT[::-1][::-1]},
        {"data": PLANES},
        {"data": PIXELS},
        {"data": FLAT.astype(">i4")},
        {"data": np.asfortranarray(FLAT.astype(np.float64) / 255)},
        {"labels": LABELS},
        {"labels": LABELS.astype(np.uint8)},
        {"labels": [*LABELS]},
        {"labels": LABELS[:, None]},
    ],
)
def test_arrays_are_what_their_pickle_states(changes: dict[str, Any], number: int, tmp_path: Path) -> None:
    content = {"data": FLAT, "labels": LABELS.tolist()} | changes
    found = open_data(cifar(tmp_path, protocol(number), batch=content))
    np.testing.assert_array_equal(found.labels, LABELS)
    floats = np.asarray(content["data"]).dtype.kind == "f"
    np.testing.assert_array_equal(samples(found), PIXELS / 255 if floats else PIXELS)


@pytest.mark.parametrize("number", [2, 4, 5])
def test_names_of_classes_are_text(number: int, tmp_path: Path) -> None:
    named = {b"label_names": [b"chat", "écureuil".encode(), b"\xe9lan"]}
    assert open_data(cifar(tmp_path, protocol(number), meta=named)).classes == ("chat", "écureuil", "élan")


def test_what_is_not_read_is_told(tmp_path: Path) -> None:
    published = {"batch_label": "testing batch 1 of 1", "filenames": ["a"] * 6, "coarse_labels": [0] * 6}
    assert open_data(cifar(tmp_path, protocol(4), **published)).notes == ()
    [note] = open_data(cifar(tmp_path, protocol(4), masks=FLAT)).notes
    assert "masks" in note


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"labels": LABELS[:5].tolist()}, "6 images but 5 labels"),
        ({"labels": ["cat"] * 6}, "labels"),
        ({"labels": None}, "labels"),
        ({"data": FLAT[:, :-1]}, "3,072"),
        ({"data": FLAT.tobytes()}, "3,072"),
        ({"data": np.array(["x"] * 6)}, "3,072"),
    ],
)
def test_a_batch_of_something_else_is_refused(changes: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=told):
        open_data(cifar(tmp_path, protocol(4), batch={"data": FLAT, "labels": LABELS.tolist()} | changes))


def test_two_files_of_the_same_batch_are_refused(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        with tarfile.open(cifar(tmp_path / name)) as archive:
            archive.extractall(tmp_path / "both" / name, filter="data")
    with tarfile.open(tmp_path / "both.tar", "w") as archive:
        archive.add(tmp_path / "both", "both")
    with pytest.raises(DataError, match="two files test_batch"):
        open_data(tmp_path / "both.tar")
