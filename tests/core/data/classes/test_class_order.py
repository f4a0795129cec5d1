"""Which number a class has: by natural order, by plain order, or as the caller lists them."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from primesvt_core.data import open_data, order_for
from primesvt_core.data.classes.class_order import (
    ClassOrder,
    composed,
    in_order,
    natural_key,
    renumbered,
    undecided,
)
from primesvt_core.errors import DataError
from tests.support.image_trees import tree


@pytest.mark.parametrize(
    ("natural", "plain"),
    [
        (["1", "2", "10"], ["1", "10", "2"]),
        (["ant", "Bee", "cat"], ["Bee", "ant", "cat"]),
        (["n02", "n3", "n020"], ["n02", "n020", "n3"]),
        (["class_2b", "class_10a"], ["class_10a", "class_2b"]),
        (["zebra", "\N{LATIN SMALL LETTER E WITH ACUTE}lan"], ["zebra", "\N{LATIN SMALL LETTER E WITH ACUTE}lan"]),
        (["\N{ARABIC-INDIC DIGIT TWO}", "\N{ARABIC-INDIC DIGIT ONE}\N{ARABIC-INDIC DIGIT ZERO}"],) * 2,
    ],
)
def test_natural_order_reads_numbers_and_small_letters(natural: list[str], plain: list[str]) -> None:
    assert in_order(reversed(natural), "natural") == tuple(natural)
    assert in_order(natural, "plain") == tuple(sorted(plain))


@given(st.lists(st.text(max_size=6), max_size=6))
def test_every_name_has_a_place_in_both_orders(names: list[str]) -> None:
    for rule in ("natural", "plain"):
        assert sorted(in_order(names, rule)) == sorted(set(names))
    assert {*undecided(names)} <= {*names}


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_numbers_are_ordered_by_their_value(one: int, other: int) -> None:
    assert (natural_key(f"class {one}") < natural_key(f"class {other}")) == (one < other)


def test_long_numbers_are_compared_in_full() -> None:
    assert in_order(["1" * 9000 + "1", "1" * 9000 + "0"], "natural")[0].endswith("0")


def test_names_that_natural_order_does_not_tell_apart_are_found() -> None:
    assert undecided(["bird", "cat", "Bird", "dog"]) == ("Bird", "bird")
    assert undecided(["1", "01", "2", "10"]) == ("01", "1")
    assert undecided(["1", "2", "10"]) == ()


def test_accents_are_composed() -> None:
    decomposed = unicodedata.normalize("NFD", "\N{LATIN SMALL LETTER E WITH ACUTE}lan")
    assert len(decomposed) == 5
    assert composed(decomposed) == "\N{LATIN SMALL LETTER E WITH ACUTE}lan"


def test_the_caller_decides_before_the_family() -> None:
    assert order_for(None, "plain") == ClassOrder(rule="plain", source="family")
    assert order_for("natural", "plain") == ClassOrder(rule="natural", source="caller")
    assert order_for(("dog", "cat"), "plain").names == ("dog", "cat")


def arrays(folder: Path, labels: list[int]) -> Path:
    np.savez(folder / "set.npz", images=np.zeros((len(labels), 2, 2, 1), np.uint8), labels=np.array(labels))
    return folder / "set.npz"


def test_listed_classes_name_the_labels_of_arrays(tmp_path: Path) -> None:
    data = open_data(arrays(tmp_path, [0, 1, 1]), None, ClassOrder(names=("dog", "cat", "eel")))
    assert (data.classes, data.labels.tolist()) == (("dog", "cat", "eel"), [0, 1, 1])
    with pytest.raises(DataError, match="label 2"):
        open_data(arrays(tmp_path, [0, 2]), None, ClassOrder(names=("dog", "cat")))


def test_listed_classes_number_those_that_have_names(tmp_path: Path) -> None:
    data = open_data(tree(tmp_path / "set", ["cat/0.png", "dog/1.png"]))
    found = renumbered(data, ("dog", "eel", "cat"))
    assert (found.classes, found.labels.tolist()) == (("dog", "eel", "cat"), [2, 0])
    assert renumbered(data, ()) is data
    with pytest.raises(DataError, match="does not list the classes dog"):
        renumbered(data, ("cat", "eel"))
