"""Files that say which classes there are, in which order, or which picture is of which."""

from __future__ import annotations

from pathlib import Path

import pytest

from primesvt_core.data import ClassOrder, DataSet, open_data
from primesvt_core.errors import DataError
from tests.support.image_trees import tree

FLAT = ("a/0.png", "a/1.png", "a/2.png")

TABLES = {
    "labels.csv": "id,breed\n0,dog\n1,cat\n2,dog\n",
    "a/labels.csv": "filename;label\n0.png;dog\n1.png;cat\n2.png;dog\n",
    "train.csv": "label,path\ndog,a/0.png\ncat,a/1.png\ndog,a/2.png\n",
    "val.txt": "a/0.png dog\na/1.png cat\na/2.png dog\n",
    "annotations.tsv": "0.png\tdog\t0\t0\n1.png\tcat\t0\t0\n2.png\tdog\t1\t1\n",
    "Test.csv": "Width,Roi,ClassId,Path\n3,1,dog,a/0.png\n3,1,cat,a/1.png\n3,1,dog,a/2.png\n",
    "LOC_val_solution.csv": "ImageId,PredictionString\n0,dog 1 2 3 4\n1,cat 1 2 3 4 cat 5 6 7 8\n2,dog 1 2 3 4\n",
    "quoted.csv": '"image","class"\n"0.png","dog"\n"1.png","cat"\n"2.png","dog"\n',
}


def opened(root: Path, names: tuple[str, ...], texts: dict[str, str], order: ClassOrder | None = None) -> DataSet:
    return open_data(tree(root / "set", names, texts), None, order or ClassOrder())


@pytest.mark.parametrize("name", TABLES)
def test_a_table_gives_the_pictures_of_one_folder_their_classes(name: str, tmp_path: Path) -> None:
    data = opened(tmp_path, FLAT, {name: TABLES[name]})
    assert (data.classes, data.labels.tolist()) == (("cat", "dog"), [1, 0, 1])
    assert data.notes == (f"{name} says which picture is of which class.",)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("0.png,dog\n1.png,cat\n", "2 of 3 pictures, and not of a/2.png"),
        ("0.png,dog\n1.png,\n2.png,dog\n", "2 of 3 pictures, and not of a/1.png"),
        ("0.png,dog\n1.png,cat\n2.png,dog\n0.png,cat\n", "in more than one row"),
    ],
)
def test_a_table_that_lacks_pictures_or_has_them_twice_is_refused(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=told) as refusal:
        opened(tmp_path, FLAT, {"labels.csv": text})
    assert refusal.value.error_code == "data_classes"


def test_tables_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    other = TABLES["labels.csv"].replace("cat", "dog")
    with pytest.raises(DataError, match=r"labels\.csv and more\.csv in set give"):
        opened(tmp_path, FLAT, {"labels.csv": TABLES["labels.csv"], "more.csv": other})


@pytest.mark.parametrize(
    "text",
    ["image,MEL,NV\n0,1,0\n1,0,1\n2,1,0\n", "x,y\n1,2\n", "", "\0", '"' + "x" * 200_000, "0.png\n1.png\n2.png\n"],
)
def test_what_gives_no_classes_is_no_table(text: str, tmp_path: Path) -> None:
    data = opened(tmp_path, FLAT, {"labels.csv": text})
    assert data.classes == ("a",)
    assert data.notes == ("labels.csv was not used: the folders say the classes.",)


def test_tables_beside_class_folders_are_named(tmp_path: Path) -> None:
    texts = {"labels.csv": "cat/0.png,dog\n", "meta/annotations.json": "{}", "dog/names.mat": "", "README.md": ""}
    data = opened(tmp_path, ("cat/0.png", "dog/1.png"), texts)
    assert data.classes == ("cat", "dog")
    assert data.notes == (
        "dog/names.mat, labels.csv, meta/annotations.json were not used: the folders say the classes.",
    )


LISTS = {
    "classes.txt": "dog\ncat\n",
    "class_names.txt": "0 dog\n1 cat\n",
    "labels.txt": "1: dog\n2: cat\n",
    "meta/class_to_idx.json": '{"cat": 1, "dog": 0}',
    "class_index.json": '{"1": ["cat", "a cat"], "0": ["dog", "a dog"]}',
    "idx_to_class_names.json": '{"0": "dog", "1": "cat"}',
    "classes.json": '["dog", "cat"]',
    "synset_mapping.txt": "dog a dog, canine\ncat a cat\n",
    "labels.csv": "id,name\n0,dog\n1,cat\n",
    "categories.csv": "name,id\ncat,1\ndog,0\n",
    "coco.names": "Dog\nCat\n",
}
BOTH = ("cat/0.png", "dog/1.png")


@pytest.mark.parametrize("name", LISTS)
def test_a_list_in_another_order_is_told_and_refused_where_numbers_count(name: str, tmp_path: Path) -> None:
    data = opened(tmp_path, BOTH, {name: LISTS[name]})
    told = f"{name} in set lists the classes in another order: class 0 is dog there, and cat in natural order."
    assert (data.classes, data.notes) == (("cat", "dog"), (told,))
    with pytest.raises(DataError, match="--class-order") as refusal:
        open_data(tmp_path / "set", None, ClassOrder(source="family"))
    assert refusal.value.error_code == "data_classes"
    chosen = open_data(tmp_path / "set", None, ClassOrder(source="caller"))
    assert (chosen.classes, chosen.notes) == (("cat", "dog"), (told,))
    listed = open_data(tmp_path / "set", None, ClassOrder(names=("dog", "cat"), source="caller"))
    assert (listed.classes, listed.labels.tolist(), listed.notes) == (("dog", "cat"), [1, 0], ())


@pytest.mark.parametrize("text", ["cat\ndog\n", "Cat\nDog", "0,cat\n1,dog\n", "\ufeffcat\r\ndog\r\n"])
def test_a_list_in_the_same_order_agrees(text: str, tmp_path: Path) -> None:
    data = open_data(tree(tmp_path / "set", BOTH, {"classes.txt": text}), None, ClassOrder(source="family"))
    assert (data.classes, data.notes) == (("cat", "dog"), ())


def test_a_list_of_more_classes_numbers_them(tmp_path: Path) -> None:
    data = opened(tmp_path, BOTH, {"classes.txt": "ant\ncat\ndog\neel\n"}, ClassOrder(source="family"))
    assert (data.classes, data.labels.tolist()) == (("ant", "cat", "dog", "eel"), [1, 2])
    assert data.notes == ("classes.txt lists 4 classes, of which 2 have folders: they are numbered as listed.",)
    without = open_data(tmp_path / "set", None, ClassOrder(source="caller"))
    assert without.classes == ("cat", "dog")
    assert "another order: class 0 is ant there" in without.notes[0]


@pytest.mark.parametrize("text", ["tench\nshark\n", "cat\n", "cat\ncat\ndog\n", "[1, 2]", "{bad", "\xff"])
def test_a_list_of_other_names_is_named(text: str, tmp_path: Path) -> None:
    data = opened(tmp_path, BOTH, {"classes.txt": text})
    assert (data.classes, data.notes) == (("cat", "dog"), ("classes.txt was not used: the folders say the classes.",))


@pytest.mark.parametrize("name", ['["cat", "dog", "\\ud800"]', '["cat", "dog", "eel\\u0000"]'])
def test_names_of_classes_that_are_no_text_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="which is no text") as refusal:
        opened(tmp_path, BOTH, {"classes.json": name})
    assert refusal.value.error_code == "data_classes"


def test_a_table_gives_no_name_that_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="which is no text"):
        opened(tmp_path, FLAT, {"labels.csv": "0.png,do\0g\n1.png,cat\n2.png,cat\n"})
