"""Pictures that belong to others beside which they lie: masks, depth, copies, called as these are and a word more.

They are read as pictures of the same class, since nothing but their names tells.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

ENOUGH = 0.5
"""Share of the other pictures beside which there must be one for a note."""

BEHIND = re.compile(r"(?P<own>.+?)[\s_.-]+(?P<word>[^\W\d_]+)\d*")
BEFORE = re.compile(r"(?P<word>[^\W\d_]+)\d*[\s_.-](?P<own>.+)")
"""A picture's name with a word behind or before it."""

Stem = tuple[str, str]
"""Folder and name of a picture, without its suffix."""


def companion_notes(images: Iterable[str]) -> Iterator[str]:
    """Notes on pictures that seem to belong to others.

    Args:
        images: names of all pictures, with slashes.
    """
    called: dict[Stem, list[str]] = defaultdict(list)
    for image in images:
        folder, _, name = image.rpartition("/")
        called[folder, name.rpartition(".")[0]].append(image)
    for word, pairs in _companions(called).items():
        others = len(called) - len(pairs)
        if pairs and len(pairs) >= ENOUGH * others:
            companion, own = pairs[0]
            yield (
                f"{len(pairs):,} pictures are called as another one is, {word} ({companion} beside {own}). They were"
                " read as pictures of their class: if they are masks or the like, move them elsewhere."
            )


def _companions(called: Mapping[Stem, Sequence[str]]) -> dict[str, list[tuple[str, str]]]:
    """Pictures with those that they seem to belong to, by what is different in their names."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for (folder, stem), images in called.items():
        if len(images) > 1:
            found["but for the suffix"].append((images[1], images[0]))
        for form in (BEHIND, BEFORE):
            match = form.fullmatch(stem)
            if match and (own := called.get((folder, match["own"]))):
                found[f"with {match['word']} more"].append((images[0], own[0]))
                break
    return found
