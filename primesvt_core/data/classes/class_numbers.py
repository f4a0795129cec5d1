"""The classes of a data set in the order of their numbers, and what makes that order doubtful."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from primesvt_core.data._base import refuse
from primesvt_core.data.classes.class_order import SHOWN, ClassOrder, in_order, undecided
from primesvt_core.data.classes.label_files import ClassList

HOW = "Give --class-order natural, plain, or a text file with one class a line."


@dataclass(frozen=True)
class ClassNumbers:
    """Classes by number.

    Attributes:
        classes: their names.
        notes: what states other numbers, and what was taken of it.
    """

    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def of(self, names: Iterable[str]) -> NDArray[np.int64]:
        """The numbers of classes."""
        numbers = {name: number for number, name in enumerate(self.classes)}
        return np.array([numbers[name] for name in names], np.int64)


def class_numbers(name: str, names: Collection[str], order: ClassOrder, lists: Sequence[ClassList]) -> ClassNumbers:
    """The classes ``names`` in their order.

    Args:
        name: of the data set, for messages.
        names: of the classes that were found, with or without pictures.
        order: what the caller or the model's family says; listed names are all classes.
        lists: files beside the pictures that list all of ``names``.

    Raises:
        DataError: something beside the pictures states other numbers, and nobody has decided.
    """
    if order.names:
        if missing := sorted({*names} - {*order.names})[:SHOWN]:
            raise refuse("data_classes", f"the class order does not list the classes {', '.join(missing)} of {name}")
        return ClassNumbers(order.names)
    classes, notes = in_order(names, order.rule), []
    if longer := _longer(classes, order, lists):
        notes.append(
            f"{longer.name} lists {len(longer.classes):,} classes, of which {len(classes):,} have folders: they are"
            " numbered as listed."
        )
        classes = longer.classes
    doubts = [*_other_lists(name, classes, order, lists)]
    if order.rule == "natural" and (same := undecided(classes)):
        few = ", ".join(same[:SHOWN])
        doubts.append(f"{few} of {name} are the same in natural order: which of them comes first is not told.")
    if doubts and order.source == "family":
        raise refuse("data_classes", f"{doubts[0]} {HOW}")
    return ClassNumbers(classes, (*notes, *doubts))


def _longer(classes: Sequence[str], order: ClassOrder, lists: Sequence[ClassList]) -> ClassList | None:
    """A list of further classes in the same order, unless the caller wants the folders' numbers."""
    if order.source == "caller":
        return None
    return next(
        (one for one in lists if len(one.classes) > len(classes) and one.classes == in_order(one.classes, order.rule)),
        None,
    )


def _other_lists(name: str, classes: Sequence[str], order: ClassOrder, lists: Sequence[ClassList]) -> Iterable[str]:
    for one in lists:
        pairs = enumerate(zip_longest(classes, one.classes, fillvalue="none"))
        different = next(((number, *pair) for number, pair in pairs if pair[0] != pair[1]), None)
        if different is not None:
            number, ours, theirs = different
            yield (
                f"{one.name} in {name} lists the classes in another order: class {number} is {theirs} there, and {ours}"
                f" in {order.rule} order."
            )
