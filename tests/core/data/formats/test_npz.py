"""Npz files: the names that people give their arrays, and what is not read."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from primesvt_core.data import ClassOrder, open_data
from tests.support.data_files import IMAGES, LABELS, refused, samples

DARK = IMAGES // 2


def saved(folder: Path, **arrays: NDArray[np.generic]) -> Path:
    np.savez(folder / "set.npz", **arrays)  # type: ignore[arg-type]
    return folder / "set.npz"


@pytest.mark.parametrize(
    ("images", "labels"),
    [("images", "labels"), ("x", "y"), ("X", "y"), ("data", "targets"), ("image", "label"), ("imgs", "target")],
)
def test_names_that_people_give_a_pair(images: str, labels: str, tmp_path: Path) -> None:
    data = open_data(saved(tmp_path, **{images: IMAGES, labels: LABELS}))
    np.testing.assert_array_equal(samples(data), IMAGES)
    assert (data.name, data.notes) == ("set.npz", ())


@pytest.mark.parametrize(
    ("train", "test"),
    [
        (("train_images", "train_labels"), ("test_images", "test_labels")),
        (("x_train", "y_train"), ("x_test", "y_test")),
        (("X_train", "y_train"), ("X_val", "y_val")),
        (("training-data", "training-targets"), ("validation-data", "validation-targets")),
        (("train_images", "train_labels"), ("valid_images", "valid_labels")),
    ],
)
def test_parts_are_told_apart(train: tuple[str, str], test: tuple[str, str], tmp_path: Path) -> None:
    arrays = zip((*train, *test), (DARK, LABELS[:, None], IMAGES, LABELS[:, None]), strict=True)
    path = saved(tmp_path, **dict(arrays))
    data, training = open_data(path), open_data(path, part="train")
    np.testing.assert_array_equal(samples(data), IMAGES)
    np.testing.assert_array_equal(samples(training), DARK)
    assert ("part)" in data.name, training.name) == (True, "set.npz (train part)")
    [note] = data.notes
    assert f"{train[0]}, {train[1]}, too; {test[0]} and {test[1]} were read" in note


def test_test_data_come_before_validation_data_and_one_part_alone_is_read(tmp_path: Path) -> None:
    both = {"val_images": DARK, "val_labels": LABELS, "test_images": IMAGES, "test_labels": LABELS}
    np.testing.assert_array_equal(samples(open_data(saved(tmp_path, **both))), IMAGES)
    alone = open_data(saved(tmp_path, x_train=IMAGES, y_train=LABELS))
    assert (alone.name, len(alone)) == ("set.npz (train part)", 6)
    assert alone.notes == ("set.npz has no test data: its train part was read.",)


def test_what_is_not_read_is_told(tmp_path: Path) -> None:
    [note] = open_data(saved(tmp_path, images=IMAGES, labels=LABELS, ids=LABELS, masks=IMAGES)).notes
    assert note == "set.npz holds ids, masks, too; images and labels were read."
    path = saved(tmp_path, images=IMAGES, labels=LABELS)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("notes.txt", "by hand")
    assert open_data(path).notes == ("set.npz holds notes.txt, too; images and labels were read.",)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("arr_0", "arr_1"), "arr_0, arr_1; it needs 'images' and 'labels'"),
        (("images", "x", "labels"), "cannot be told"),
        (("x_train", "train_images", "y_train"), "cannot be told"),
        (("images", "labels", "test_images", "test_labels"), "cannot be told"),
        (("test_images", "train_labels"), "it needs"),
        (("frames",), "it needs"),
    ],
)
def test_what_could_be_several_things_is_refused(names: tuple[str, ...], told: str, tmp_path: Path) -> None:
    refused(
        saved(tmp_path, **{n: LABELS if n[0] in "ly" or "labels" in n else IMAGES for n in names}), "data_format", told
    )


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("classes", np.array(["cat", "dog", "eel", "fox"])),
        ("class_names", np.array([b"cat", b"dog", b"eel", b"fox"])),
        ("label-names", np.array(["cat", "dog", "eel", "fox"])),
    ],
)
def test_names_of_classes_are_read(name: str, names: NDArray[np.generic], tmp_path: Path) -> None:
    data = open_data(saved(tmp_path, images=IMAGES, labels=LABELS, **{name: names}))
    assert (data.classes, data.notes) == (("cat", "dog", "eel", "fox"), ())
    np.testing.assert_array_equal(data.labels, LABELS)
    ordered = open_data(tmp_path / "set.npz", None, ClassOrder(names=("fox", "eel", "dog", "cat")))
    np.testing.assert_array_equal(ordered.labels, 3 - LABELS)


@pytest.mark.parametrize(
    ("names", "code", "told"),
    [
        (np.arange(3), "data_format", "classes in set.npz is int64[3]"),
        (np.array([["cat"], ["dog"], ["eel"]]), "data_format", "one a class"),
        (np.array([b"\xff", b"b", b"c"]), "data_format", "no text in UTF-8"),
        (np.array(["cat", "dog", "cat"]), "data_classes", "cat more than once"),
        (np.array(["cat", "dog"]), "data_classes", "the label 2; that is no class"),
    ],
)
def test_what_names_no_classes_is_refused(names: NDArray[np.generic], code: str, told: str, tmp_path: Path) -> None:
    refused(saved(tmp_path, images=IMAGES, labels=LABELS, classes=names), code, told)


def test_two_arrays_of_names_are_told(tmp_path: Path) -> None:
    names = np.array(["cat", "dog", "eel"])
    data = open_data(saved(tmp_path, images=IMAGES, labels=LABELS, classes=names, class_names=names[::-1]))
    assert data.classes == ("0", "1", "2")
    assert "classes" in data.notes[0]
