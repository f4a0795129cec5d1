"""Which folder is of which class: innermost or outermost, listed ones, and those without pictures."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from primesvt_client.spec_types import Rule
from primesvt_core.data import ClassOrder, open_data
from primesvt_core.data.classes.class_folders import class_folders
from primesvt_core.data.parts.folder_groups import FolderGroup
from primesvt_core.errors import DataError
from tests.support.image_trees import tar_tree, tree, zip_tree

E_ACUTE = "\N{LATIN SMALL LETTER E WITH ACUTE}"


def classes(*folders: str, rule: Rule = "natural", names: tuple[str, ...] = ()) -> dict[str, str]:
    """Class by folder, of folders that all have pictures."""
    places = tuple(tuple(folder.split("/")) for folder in folders)
    found = class_folders("set", FolderGroup((), places), places, rule=rule, names=names, wanted="test")
    assert not found.empty
    return {"/".join(place): name for place, name in found.classes.items()}


def test_natural_takes_innermost_folders_and_plain_outermost_ones() -> None:
    folders = ("air/bird", "air/plane", "sea/ship")
    assert classes(*folders) == {"air/bird": "bird", "air/plane": "plane", "sea/ship": "ship"}
    assert classes(*folders, rule="plain") == {"air/bird": "air", "air/plane": "air", "sea/ship": "sea"}
    assert classes("cat/deep", "dog") == {"cat/deep": "deep", "dog": "dog"}
    assert classes("cat/deep", "dog", rule="plain") == {"cat/deep": "cat", "dog": "dog"}


@pytest.mark.parametrize("inner", ["images", "images/full", "x"])
@pytest.mark.parametrize("rule", ["natural", "plain"])
def test_the_same_folder_in_every_class_is_no_class(inner: str, rule: Rule) -> None:
    assert {*classes(f"cat/{inner}", f"dog/{inner}", rule=rule).values()} == {"cat", "dog"}


def test_listed_classes_are_taken_wherever_they_lie() -> None:
    folders = ("a/cat", "b/cat", "b/dog/deep")
    assert classes(*folders, names=("cat", "dog")) == {"a/cat": "cat", "b/cat": "cat", "b/dog/deep": "dog"}
    assert classes(*folders, names=("a", "b")) == {"a/cat": "a", "b/cat": "b", "b/dog/deep": "b"}
    assert classes("cat/train", "cat/test", "dog/test", names=("cat", "dog")) == {"cat/test": "cat", "dog/test": "dog"}
    with pytest.raises(DataError, match="of b/dog/deep in set no folder is in the class order"):
        classes(*folders, names=("cat",))
    with pytest.raises(DataError, match="of a/cat in set several folders are"):
        classes(*folders, names=("a", "b", "cat"))


def test_accents_written_in_two_ways_are_one_name() -> None:
    decomposed = unicodedata.normalize("NFD", f"{E_ACUTE}lan")
    assert classes(decomposed, "cat") == {decomposed: f"{E_ACUTE}lan", "cat": "cat"}
    with pytest.raises(DataError, match="accents written in two ways"):
        classes(decomposed, f"{E_ACUTE}lan")
    with pytest.raises(DataError, match="repeats the same classes"):
        classes(f"a/{decomposed}", f"b/{E_ACUTE}lan", "b/cat")


@pytest.mark.parametrize(
    ("names", "empty", "wanted"),
    [
        (["cat/0.png"], ["dog"], ("cat", "dog")),
        (["cat/0.png", "dog/1.png"], ["bird", "eel"], ("bird", "cat", "dog", "eel")),
        (["top/cat/0.png", "top/dog/1.png"], ["top/eel", "notes"], ("cat", "dog", "eel")),
        (["air/plane/0.png", "sea/ship/1.png"], ["air/bird"], ("bird", "plane", "ship")),
        (["cat/images/0.png", "dog/images/1.png"], ["eel/images"], ("cat", "dog", "eel")),
        (["cat/0.png", "dog/1.png"], ["cat/thumbs"], ("cat", "dog")),
        (["train/cat/0.png", "train/dog/1.png", "test/cat/2.png"], ["test/dog", "extra"], ("cat", "dog")),
        (["test/cat/0.png", "test/dog/1.png"], ["train/eel", "val"], ("cat", "dog")),
    ],
)
def test_folders_without_pictures_are_classes(
    names: list[str], empty: list[str], wanted: tuple[str, ...], tmp_path: Path
) -> None:
    opened = [
        open_data(tree(tmp_path / "set", names, empty=empty)),
        open_data(tar_tree(tmp_path / "set.tar", names, folders=empty)),
        open_data(zip_tree(tmp_path / "set.zip", [*names, *(f"{folder}/" for folder in empty)])),
    ]
    assert [data.classes for data in opened] == [wanted] * 3
    assert opened[0].fingerprint() == opened[1].fingerprint()
    unread = {folder for folder in wanted if not any(f"{folder}/" in name for name in names)}
    told = " ".join(opened[0].notes)
    assert all(folder in told for folder in unread)


def test_folders_with_files_of_other_kinds_are_classes(tmp_path: Path) -> None:
    texts = {"dog/a.heic": "", "dog/b.heic": "", "eel/deep/c.npy": "", "cat/d.txt": ""}
    data = open_data(tree(tmp_path / "set", ["cat/0.png"], texts))
    assert data.classes == ("cat", "dog", "eel")
    assert data.notes == (
        "No picture was found in the class folders dog, eel.",
        "Files in class folders were not read as pictures: 2 .heic, 1 .txt, 1 .npy.",
    )


def test_an_empty_folder_that_is_not_listed_is_no_class(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", ["cat/0.png", "dog/1.png"], empty=["eel", "notes"])
    data = open_data(root, None, ClassOrder(names=("dog", "eel", "cat", "fox")))
    assert (data.classes, data.labels.tolist()) == (("dog", "eel", "cat", "fox"), [2, 0])
