"""Classes by name, and the note on those that pay for pruning."""

from __future__ import annotations

from primesvt_core.promise.bounds import Paired
from primesvt_core.promise.classes import OfClass
from primesvt_core.report.by_class import class_figures, class_notes


def of(label: int, samples: int, lost: int) -> OfClass:
    return OfClass(label=label, pair=Paired(samples=samples, lost=lost, won=0), right_before=samples - 1)


def test_a_class_has_its_name_or_its_number() -> None:
    cat, other = class_figures([of(0, 10, 2), of(7, 4, 0)], ("cat", "dog"))
    assert (cat.name, cat.images, cat.right_before, cat.right_after) == ("cat", 10, 9, 7)
    assert (other.name, other.images) == ("7", 4)
    assert cat.accuracy_drop == 0.2


def test_a_note_names_the_class_its_loss_and_the_test() -> None:
    classes = [of(0, 500, 0), of(1, 50, 25)]
    (note,) = class_notes(classes, ("cat", "dog"))
    for told in ("A class loses more than 3 times", "4.55 points", "dog (50.00 points of 50 images)", "Bonferroni"):
        assert told in note
    assert "5.00 % over 2 classes" in note
    assert "cat" not in note


def test_of_many_classes_some_are_named() -> None:
    classes = [of(0, 50_000, 0), *(of(label, 50, 40) for label in range(1, 9))]
    (note,) = class_notes(classes, ())
    assert note.startswith("8 classes lose")
    assert "5 (80.00 points of 50 images) and 3 more." in note


def test_nothing_is_said_where_classes_lose_alike() -> None:
    assert class_notes([of(0, 50, 5), of(1, 50, 6)], ()) == ()
