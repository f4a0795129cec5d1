"""What a pickle holds once it is read as data: plain values, and inert stand-ins for everything else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Name:
    """Something the pickle would have imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False, slots=True)
class Pairs:
    """A dict, unhashed: keys chosen to collide cost nothing."""

    items: list[tuple[Any, Any]] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Call:
    """Something the pickle would have called, with the state and the items it would have set."""

    name: Name
    args: tuple[Any, ...]
    state: Any = None
    pairs: Pairs = field(default_factory=Pairs)


@dataclass(eq=False, slots=True)
class PersistentId:
    """A reference to a storage outside the pickle."""

    value: Any


MAPPINGS = ("OrderedDict", "defaultdict", "Counter")
"""Calls on which items may be set."""


def mapping(value: Any) -> list[tuple[Any, Any]] | None:
    """Items of a dict, OrderedDict or defaultdict; None for anything else."""
    if isinstance(value, Pairs):
        return value.items
    if isinstance(value, Call) and value.name.name in MAPPINGS:
        return value.pairs.items
    return None


def children(node: Any) -> list[Any]:
    """The values directly inside ``node``.

    Of a call its arguments and its items as one value each: they may be shared, and whoever walks the values meets
    what is shared once. So no file has more of them in all than its pickle has opcodes.
    """
    if isinstance(node, list | tuple):
        return list(node)
    if isinstance(node, Pairs):
        return [part for pair in node.items for part in pair]
    if isinstance(node, Call):
        return [node.args, node.state, node.pairs]
    if isinstance(node, PersistentId):
        return [node.value]
    return []
