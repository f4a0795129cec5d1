"""The classes of a data set in the order of their numbers, and what makes that order doubtful."""

from __future__ import annotations

import pytest

from primesvt_core.data.classes.class_numbers import class_numbers
from primesvt_core.data.classes.class_order import ClassOrder
from primesvt_core.data.classes.label_files import ClassList
from primesvt_core.errors import DataError

FAMILY = ClassOrder(source="family")
NAMES = ("10", "2", "Bird", "ant")


def test_classes_are_in_the_order_of_the_rule_or_as_listed() -> None:
    assert class_numbers("set", NAMES, ClassOrder(), ()).classes == ("2", "10", "ant", "Bird")
    assert class_numbers("set", NAMES, ClassOrder(rule="plain"), ()).classes == ("10", "2", "Bird", "ant")
    with pytest.raises(DataError, match="does not list the classes 10, Bird of set"):
        class_numbers("set", NAMES, ClassOrder(names=("ant", "2")), ())
    listed = class_numbers("set", NAMES, ClassOrder(names=("ant", "2", "Bird", "10", "eel")), ())
    assert listed.classes == ("ant", "2", "Bird", "10", "eel")
    assert listed.of(["10", "ant", "ant"]).tolist() == [3, 0, 0]


@pytest.mark.parametrize("names", [("bird", "Bird", "cat"), ("1", "01", "2"), ("n1", "n001", "N1")])
def test_names_that_are_the_same_in_natural_order_are_refused_where_nobody_decided(names: tuple[str, ...]) -> None:
    [told] = class_numbers("set", names, ClassOrder(), ()).notes
    assert "are the same in natural order" in told
    with pytest.raises(DataError, match="Give --class-order") as refusal:
        class_numbers("set", names, FAMILY, ())
    assert refusal.value.error_code == "data_classes"
    assert class_numbers("set", names, ClassOrder(rule="plain", source="family"), ()).classes == tuple(sorted(names))


def test_a_list_counts_where_it_agrees_with_the_rule() -> None:
    longer = ClassList("classes.txt", ("ant", "bee", "cat"))
    found = class_numbers("set", ["ant", "cat"], FAMILY, [longer])
    assert found.classes == longer.classes
    assert found.notes == ("classes.txt lists 3 classes, of which 2 have folders: they are numbered as listed.",)
    other = ClassList("names.txt", ("cat", "ant", "bee"))
    with pytest.raises(DataError, match=r"names\.txt in set lists the classes in another order: class 0 is cat there"):
        class_numbers("set", ["ant", "cat"], FAMILY, [longer, other])
    with pytest.raises(DataError, match=r"class 2 is bee there, and none"):
        class_numbers("set", ["ant", "cat"], FAMILY, [ClassList("classes.txt", ("ant", "cat", "bee"))])
