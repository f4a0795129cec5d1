"""Source code with holes: numbers that may differ from one module of a class to the next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Hole:
    """A number in source code.

    Attributes:
        value: what stands there.
        hint: what a parameter that stands there instead may be called.
        letter: in a comment, what may stand there where neither number nor parameter can; None in code.
    """

    value: int | float
    hint: str = "size"
    letter: str | None = None


Source = tuple[str | Hole, ...]
"""Pieces of source code, one after another."""


def joined(separator: str, parts: Iterable[Source]) -> Source:
    """Pieces with text between them."""
    found: list[str | Hole] = []
    for index, part in enumerate(parts):
        found += [separator, *part] if index else part
    return tuple(found)


def call(name: str, *args: Source, **settings: Source | None) -> Source:
    """A call, without the settings that are None."""
    written = [*args, *((f"{key}=", *value) for key, value in settings.items() if value is not None)]
    return (f"{name}(", *joined(", ", written), ")")


def holes(source: Source) -> Iterator[Hole]:
    """Its numbers, in order."""
    return (piece for piece in source if isinstance(piece, Hole))


def template(source: Source) -> tuple[str | None, ...]:
    """The text between the numbers, which are None: the same for all modules of one class."""
    found: list[str | None] = [""]
    for piece in source:
        if isinstance(piece, Hole):
            found += [None, ""]
        else:
            found[-1] = f"{found[-1]}{piece}"
    return tuple(found)


def filled(source: Source, names: Mapping[int, str] | None = None) -> str:
    """Source code with its numbers, or, by their place among the numbers, with what is given instead."""
    texts, place = [], 0
    for piece in source:
        if isinstance(piece, Hole):
            texts.append((names or {}).get(place, repr(piece.value)))
            place += 1
        else:
            texts.append(piece)
    return "".join(texts)


def is_compound(source: Source) -> bool:
    """Whether an expression has an operator that nothing encloses."""
    depth = 0
    for letter in filled(source):
        depth += (letter in "([{") - (letter in ")]}")
        if letter == " " and not depth:
            return True
    return False


@dataclass(frozen=True)
class Generalised:
    """What modules of one class have in common, and what tells them apart.

    Attributes:
        names: by the place of a hole, what stands there instead of its number.
        parameters: the values of every parameter, one a module.
        hard: places of holes in code, not in comments.
    """

    names: Mapping[int, str]
    parameters: Mapping[str, tuple[int | float, ...]]
    hard: frozenset[int]


def generalise(sources: Sequence[Source]) -> Generalised:
    """Numbers that differ become parameters; where the same numbers stand in several places, one of them.

    Args:
        sources: of modules of one class, with the same `template`.
    """
    columns = [tuple(hole.value for hole in column) for column in zip(*map(holes, sources), strict=True)]
    first = list(holes(sources[0]))
    parameters: dict[str, tuple[int | float, ...]] = {}
    hard = frozenset(place for place, hole in enumerate(first) if hole.letter is None)
    for place in sorted(hard):
        column = columns[place]
        if len({*column}) > 1 and column not in parameters.values():
            parameters[unused_name(first[place].hint, parameters)] = column
    known = {column: name for name, column in parameters.items()}
    names: dict[int, str] = {}
    for place, (hole, column) in enumerate(zip(first, columns, strict=True)):
        if len({*column}) > 1:
            names[place] = known.get(column, hole.letter or "")
    return Generalised(names, parameters, hard)


def unused_name(wanted: str, taken: Iterable[str]) -> str:
    """The name, with a number behind it where it is taken."""
    names, number = {*taken}, 2
    if wanted not in names:
        return wanted
    while f"{wanted}{number}" in names:
        number += 1
    return f"{wanted}{number}"
