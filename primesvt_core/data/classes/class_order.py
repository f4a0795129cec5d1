"""Which number a class has: class folders are numbered in the order of their names, of which there are two in use."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

import numpy as np

from primesvt_client.spec_types import Rule
from primesvt_core.data._base import DataSet, refuse
from primesvt_core.prerequisites import are_numbers

Source = Literal["default", "family", "caller"]

LOADERS: Mapping[Rule, str] = {"natural": "timm", "plain": "torchvision's ImageFolder"}
"""Who numbers class folders so."""

SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class ClassOrder:
    """How classes that have names are numbered.

    Attributes:
        rule: ``natural`` numbers innermost folders, numbers in their names by value and capitals as small letters, as
            timm does; ``plain`` numbers outermost folders by code points, as torchvision's ImageFolder does.
        names: all classes in the order of their numbers, instead of a rule; empty for none.
        source: who chose. What states another numbering is refused if the family's rule is taken, since nobody saw it;
            otherwise it is noted.
    """

    rule: Rule = "natural"
    names: tuple[str, ...] = ()
    source: Source = "default"


def order_for(given: Rule | tuple[str, ...] | None, of_family: Rule) -> ClassOrder:
    """The caller's choice, a rule or all classes in order; without one the family's rule."""
    if given is None:
        return ClassOrder(rule=of_family, source="family")
    if isinstance(given, str):
        return ClassOrder(rule=given, source="caller")
    return ClassOrder(rule=of_family, names=tuple(map(composed, given)), source="caller")


def composed(name: str) -> str:
    """A name in Unicode's form NFC: systems write accents in one character or in two, and compare them as equal."""
    return unicodedata.normalize("NFC", name)


def natural_key(name: str) -> list[str | Decimal]:
    """Sorts as timm does: digits by their value, capitals as small letters.

    Source: ``natural_key`` in timm's ``timm/utils/misc.py``.
    """
    return [Decimal(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name.lower())]


KEYS: Mapping[Rule, Callable[[str], str | list[str | Decimal]]] = {"natural": natural_key, "plain": str}


def in_order(names: Iterable[str], rule: Rule) -> tuple[str, ...]:
    """The names, each once; natural order leaves some undecided (`undecided`), which then are in plain order."""
    return tuple(sorted(sorted(set(names)), key=KEYS[rule]))


def undecided(names: Collection[str]) -> tuple[str, ...]:
    """Names that natural order does not tell apart: ``Bird`` and ``bird``, ``1`` and ``01``."""
    ordered = in_order(names, "natural")
    keys = [natural_key(name) for name in ordered]
    same = {index for index in range(1, len(keys)) if keys[index] == keys[index - 1]}
    return tuple(ordered[index] for index in sorted(same | {index - 1 for index in same}))


def renumbered(data: DataSet, names: tuple[str, ...]) -> DataSet:
    """A data set with its classes numbered as in ``names``; of one whose labels are numbers, the names of these.

    Raises:
        DataError: a class is not among them.
    """
    if not names or data.classes == names:
        return data
    if are_numbers(data.classes) and not {*data.classes} <= {*names}:
        if len(data.classes) > len(names):
            raise refuse(
                "data_classes",
                f"{data.name} has the label {len(data.classes) - 1}, but the order has {len(names)} classes",
            )
        return replace(data, classes=names)
    places = {name: number for number, name in enumerate(names)}
    own = [composed(name) for name in data.classes]
    if missing := [name for name in own if name not in places][:SHOWN]:
        raise refuse("data_classes", f"the class order does not list the classes {', '.join(missing)} of {data.name}")
    numbers = np.array([places[name] for name in own], np.int64)
    return replace(data, classes=names, labels=numbers[data.labels])
