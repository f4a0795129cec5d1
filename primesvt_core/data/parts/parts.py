"""Which part of a data set an array or a file belongs to, by the words of its name."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping

from primesvt_core.data._base import Part
from primesvt_core.data.parts import part_names

KINDS: tuple[part_names.Kind, ...] = ("test", "val", "train")
WORDS: Mapping[str, frozenset[str]] = {kind: part_names.WORDS[kind] for kind in KINDS}

ORDER: Mapping[Part, tuple[str, ...]] = {"test": ("", "test", "val", "train"), "train": ("train", "", "val", "test")}
"""Which part is read for evaluation and for training: the first that is there. What is of no part comes first, or after
the training data."""

WANTED: Mapping[Part, tuple[str, ...]] = {"test": ("", "test", "val"), "train": ("", "train")}
"""Parts that are what was asked for."""


def words_of(name: str) -> list[str]:
    """The words of a name, in lower case."""
    return [word for word in re.split(r"[-_. ]+", name.lower()) if word]


def part_of(name: str) -> str:
    """``test``, ``val`` or ``train``; empty where the name says none of them."""
    found = words_of(name)
    return next((part for part, words in WORDS.items() if any(word in words for word in found)), "")


def chosen(parts: Container[str], part: Part | None) -> str | None:
    """Which of the parts that there are is read; None if there are none."""
    return next((one for one in ORDER[part or "test"] if one in parts), None)


def instead(name: str, read: str, part: Part | None) -> tuple[str, ...]:
    """A note where another part is read than was asked for, since that one is not there."""
    wanted = part or "test"
    return () if read in WANTED[wanted] else (f"{name} has no {wanted} data: its {read} part was read.",)
