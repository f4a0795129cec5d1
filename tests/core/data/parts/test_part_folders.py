"""Parts of data sets: recognised by name and structure, taken by what is wanted, refused where labels are missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from primesvt_core.data import DataSet, Part, open_data
from primesvt_core.errors import DataError
from tests.support.image_trees import tree

TWO = ("cat", "dog")


def pictures(*folders: str, classes: tuple[str, ...] = TWO, each: int = 1) -> list[str]:
    """Names of pictures in class folders below each of the folders."""
    return [f"{folder}/{name}/{i}.png" for folder in folders for name in classes for i in range(each)]


def opened(root: Path, names: list[str], part: Part = "test", **texts: str) -> DataSet:
    return open_data(tree(root / "set", names, texts), part)


def shades(data: DataSet) -> list[int]:
    """Which of the pictures were read: each has the shade of its place in the list of names."""
    return [int(data.decode(index).flat[0]) for index in range(len(data))]


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("Training", "Testing"),
        ("seg_train/seg_train", "seg_test/seg_test"),
        ("training_set/training_set", "test_set/test_set"),
        ("flowers/train", "flowers/valid"),
        ("data/TrainImages", "data/ValImages"),
        ("train2017", "val2017"),
        ("birds-train", "birds-dev"),
        ("images/train/images", "images/test/images"),
    ],
)
def test_training_and_test_parts_are_told_apart(train: str, test: str, tmp_path: Path) -> None:
    names = pictures(train, each=2) + pictures(test)
    data = opened(tmp_path, names)
    assert (data.classes, shades(data)) == (TWO, [4, 5])
    training = open_data(tmp_path / "set", "train")
    assert (training.classes, shades(training)) == (TWO, [0, 1, 2, 3])
    assert (data.notes, training.notes) == ((), ())


@pytest.mark.parametrize("below", ["{0}/train/{1}.png", "{0}/train/img/{1}.png", "x/{0}/{0}_train/{1}.png"])
def test_parts_inside_the_class_folders_are_no_classes(below: str, tmp_path: Path) -> None:
    names = [below.format(name, number) for name in TWO for number in range(2)]
    names += [name.replace("train", "test") for name in names[::2]]
    data = opened(tmp_path, names)
    assert (data.classes, shades(data), data.labels.tolist()) == (TWO, [4, 5], [0, 1])
    assert shades(open_data(tmp_path / "set", "train")) == [0, 1, 2, 3]


def test_a_class_that_has_training_pictures_only_is_a_class(tmp_path: Path) -> None:
    data = opened(tmp_path, ["cat/test/0.png", "cat/train/0.png", "dog/train/0.png", "eel/test/0.png"])
    assert (data.classes, data.labels.tolist()) == (("cat", "dog", "eel"), [0, 2])


def test_classes_are_those_of_all_parts(tmp_path: Path) -> None:
    data = opened(tmp_path, [*pictures("train", classes=("ant", "cat", "dog")), *pictures("test")])
    assert (data.classes, data.labels.tolist()) == (("ant", "cat", "dog"), [1, 2])


def test_test_data_go_before_validation_data(tmp_path: Path) -> None:
    assert shades(opened(tmp_path, pictures("val", "test", "train"))) == [2, 3]


def test_pictures_without_labels_are_no_test_data(tmp_path: Path) -> None:
    names = [*pictures("train", "val"), "test/0.png", "test/1.png", "pred/pred/2.png"]
    data = opened(tmp_path, names)
    assert (data.name, shades(data), data.classes) == ("set (val)", [2, 3], TWO)
    assert data.notes == ("The pictures in test have no labels: val was read.",)


@pytest.mark.parametrize(
    "names",
    [
        [*pictures("train"), "val/0.png", "test/1.png"],
        [*pictures("train"), "val/images/0.png", "test/images/1.png"],
        ["train/0.png", "test/1.png"],
        ["train/images/0.png", "val/images/1.png"],
        ["val/0.png"],
    ],
)
def test_parts_none_of_which_has_test_data_are_named(names: list[str], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no test data") as refusal:
        opened(tmp_path, names)
    assert refusal.value.error_code == "data_format"
    for part in {name.split("/")[0] for name in names}:
        assert part in refusal.value.message


def test_training_data_are_not_replaced_by_others(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no train data"):
        opened(tmp_path, pictures("val", "test"), "train")


def test_only_training_data_are_read_with_a_note(tmp_path: Path) -> None:
    data = opened(tmp_path, [*pictures("train"), "pred/0.png"])
    assert data.classes == TWO
    assert data.notes == ("set has no test data: train was read.",)


@pytest.mark.parametrize(
    "names",
    [
        pictures("amazon", "webcam"),
        pictures("fold1", "fold2", "fold3"),
        pictures("set/2019", "set/2020"),
        [*pictures("vehicles", classes=("car", "other")), *pictures("animals", classes=("cat", "other"))],
        [f"{name}/{group}/0.png" for name in TWO for group in ("left", "right")],
        ["cat/0.png", "old/cat/0.png", "old/dog/0.png", "dog/0.png"],
    ],
)
def test_groups_that_repeat_the_same_classes_are_refused(names: list[str], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="what repeats the same classes is no class") as refusal:
        opened(tmp_path, names)
    assert refusal.value.error_code == "data_format"


def test_several_folders_with_test_data_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"several folders with test data \(test1, test2\)"):
        opened(tmp_path, pictures("train", "test1", "test2"))


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (["train/0.png", "bus/0.png", "ship/0.png"], ("bus", "ship", "train")),
        (["valid/0.png", "invalid/0.png"], ("invalid", "valid")),
        (["train_station/0.png", "test_tube/0.png"], ("test_tube", "train_station")),
        (["rail/train/0.png", "rail/tram/0.png", "road/bus/0.png"], ("bus", "train", "tram")),
    ],
)
def test_classes_called_like_parts_are_classes(names: list[str], classes: tuple[str, ...], tmp_path: Path) -> None:
    data = opened(tmp_path, names)
    assert (data.classes, len(data)) == (classes, len(names))


def test_what_may_be_a_part_or_a_class_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="may be parts or classes"):
        opened(tmp_path, ["train/ice/0.png", "train/tgv/0.png", "bus/0.png"])


def test_folders_beside_parts_are_told(tmp_path: Path) -> None:
    data = opened(tmp_path, [*pictures("train", "test"), "samples/0.png", "logo.png"])
    assert shades(data) == [2, 3]
    assert data.notes == (
        "Beside test, the folders samples were not read.",
        "Pictures beside the folder test were not read.",
    )


def test_tiny_imagenet_is_read_as_it_was_packed(tmp_path: Path) -> None:
    wnids = ("n01", "n02", "n03")
    names = [f"train/{wnid}/images/{wnid}_{i}.JPEG" for wnid in wnids for i in range(2)]
    names += [f"val/images/val_{i}.JPEG" for i in range(3)] + [f"test/images/test_{i}.JPEG" for i in range(3)]
    boxes = "".join(f"val_{i}.JPEG\t{wnid}\t0\t0\t31\t31\n" for i, wnid in enumerate(("n03", "n01", "n03")))
    texts = {"val/val_annotations.txt": boxes, "wnids.txt": "n01\nn02\nn03\n", "words.txt": "n01\ta bird\n"}
    data = open_data(tree(tmp_path / "tiny-imagenet-200", names, texts))
    assert (data.classes, data.labels.tolist(), shades(data)) == (wnids, [2, 0, 2], [6, 7, 8])
    assert data.notes == (
        "The pictures in test have no labels: val was read.",
        "val/val_annotations.txt says which picture is of which class.",
        "words.txt was not used: the folders say the classes.",
    )


def test_imagenet_is_read_as_kaggle_packs_it(tmp_path: Path) -> None:
    base = "ILSVRC/Data/CLS-LOC"
    names = [f"{base}/train/n0{c}/n0{c}_{i}.JPEG" for c in range(3) for i in range(2)]
    names += [f"{base}/{part}/ILSVRC2012_{part}_{i:08d}.JPEG" for part in ("val", "test") for i in range(3)]
    with pytest.raises(DataError, match=r"test, train, val; labels have only train"):
        open_data(tree(tmp_path / "bare", names))
    rows = "".join(f"ILSVRC2012_val_{i:08d},n0{c} 1 2 3 4 n0{c} 5 6 7 8\n" for i, c in enumerate((2, 0, 2)))
    texts = {"LOC_val_solution.csv": "ImageId,PredictionString\n" + rows}
    texts["LOC_synset_mapping.txt"] = "n00 tench, Tinca\nn01 goldfish\nn02 shark\n"
    data = open_data(tree(tmp_path / "set", names, texts))
    assert (data.classes, data.labels.tolist()) == (("n00", "n01", "n02"), [2, 0, 2])


def test_label_files_that_cannot_be_used_are_named_in_the_refusal(tmp_path: Path) -> None:
    names = [*pictures("train"), "val/ILSVRC2012_val_00000001.png", "val/ILSVRC2012_val_00000002.png"]
    with pytest.raises(DataError, match=r"of val_ground_truth\.txt nothing says which picture is of which class"):
        open_data(tree(tmp_path / "set", names, {"val_ground_truth.txt": "490\n361\n"}))


def test_a_table_of_numbers_beside_folders_with_names_is_refused(tmp_path: Path) -> None:
    names = [*pictures("train"), "val/0.png", "val/1.png"]
    with pytest.raises(DataError, match=r"val\.txt in set gives pictures numbers, where .* names of classes \(cat\)"):
        open_data(tree(tmp_path / "set", names, {"val.txt": "val/0.png 1\nval/1.png 0\n"}))
