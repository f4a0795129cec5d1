"""Names of parts of data sets, as published ones have them, and names of classes that only look like these."""

from __future__ import annotations

import pytest

from primesvt_core.data.parts.part_names import kinds_of, says_nothing, words


def test_names_are_split_into_words() -> None:
    assert words("ILSVRC2012_imgVal") == ["ilsvrc", "2012", "img", "val"]
    assert words("TestImages-2") == ["test", "images", "2"]
    assert words("猫_train") == ["猫", "train"]


@pytest.mark.parametrize(
    ("names", "kinds"),
    [
        (["train", "val", "test"], ["train", "val", "test"]),
        (["Training", "Testing"], ["train", "test"]),
        (["seg_train", "seg_test", "seg_pred"], ["train", "test", "unlabelled"]),
        (["training_set", "test_set"], ["train", "test"]),
        (["train2017", "val2017"], ["train", "val"]),
        (["ILSVRC2012_img_train", "ILSVRC2012_img_val"], ["train", "val"]),
        (["TrainImages", "ValImages"], ["train", "val"]),
        (["flowers-train", "flowers-valid"], ["train", "val"]),
        (["trainval", "test"], ["train", "test"]),
        (["Train", "Dev", "Eval"], ["train", "val", "val"]),
    ],
)
def test_parts_are_known_by_their_words(names: list[str], kinds: list[str]) -> None:
    assert kinds_of(names) == dict(zip(names, kinds, strict=True))


@pytest.mark.parametrize(
    "names",
    [
        ["cat", "dog"],
        ["train_station", "bus_stop"],
        ["test_cat", "test_dog"],
        ["invalid", "contest", "developer"],
        ["images", "labels"],
        ["roses-train", "tulips-test"],
    ],
)
def test_classes_are_no_parts(names: list[str]) -> None:
    assert kinds_of(names) == {}


def test_the_name_of_the_folder_above_says_nothing() -> None:
    assert kinds_of(["cat_train", "cat_test"], "cat") == {"cat_train": "train", "cat_test": "test"}
    assert kinds_of(["cat_train"], "cat") == {"cat_train": "train"}
    assert kinds_of(["cat_train"]) == {}


def test_folders_that_no_class_is_called_by() -> None:
    assert [name for name in ("images", "JPEGImages", "img_2", "test_set", "cat") if says_nothing(name)] == [
        "images", "JPEGImages", "test_set"
    ]  # fmt: skip
