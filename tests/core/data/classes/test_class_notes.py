"""Sentences about class folders: what another training code would number otherwise, and what was not read."""

from __future__ import annotations

from pathlib import Path

import pytest

from primesvt_core.data import ClassOrder, open_data
from primesvt_core.data.classes.class_notes import other_rule_note, suffixes
from tests.support.image_trees import tree


@pytest.mark.parametrize("names", [["cat", "dog"], ["n01", "n02", "n10"], ["Ant", "Bee"], ["0", "1", "2"]])
def test_nothing_is_said_where_both_rules_agree(names: list[str], tmp_path: Path) -> None:
    assert open_data(tree(tmp_path / "set", [f"{name}/0.png" for name in names])).notes == ()


def test_the_first_class_that_the_other_rule_moves_is_named(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", [f"{number}/0.png" for number in range(1, 11)])
    natural = open_data(root)
    assert natural.classes == tuple(map(str, range(1, 11)))
    assert natural.notes == (
        "The classes are numbered in natural order, as timm numbers them: 2 is class 1. In plain order, that of"
        " torchvision's ImageFolder, it would be class 2: give --class-order plain if the model was trained so.",
    )
    plain = open_data(root, None, ClassOrder(rule="plain", source="family"))
    assert plain.classes == ("1", "10", "2", "3", "4", "5", "6", "7", "8", "9")
    assert plain.notes[0].startswith("The classes are numbered in plain order, as torchvision's ImageFolder")
    assert open_data(root, None, ClassOrder(source="caller")).notes == ()


def test_classes_that_are_other_folders_by_the_other_rule_are_told(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", ["air/bird/0.png", "air/plane/1.png", "sea/ship/2.png"])
    data = open_data(root)
    assert data.classes == ("bird", "plane", "ship")
    assert data.notes == (
        "The 3 innermost folders are the classes, as timm has them; torchvision's ImageFolder would take the 2"
        " outermost ones: give --class-order plain if the model was trained so.",
    )
    assert open_data(root, None, ClassOrder(rule="plain", source="caller")).labels.tolist() == [0, 0, 1]


def test_other_names_with_the_same_numbers_are_no_matter() -> None:
    assert [*other_rule_note("natural", ("deep", "dog"), ("cat", "dog"), {("deep", "cat"), ("dog", "dog")})] == []


def test_kinds_of_files_are_counted() -> None:
    assert suffixes(["a.HEIC", "b.heic", "c", "d.npy", "e.npy", "f.npy"]) == "3 .npy, 2 .heic, 1 without suffix"
