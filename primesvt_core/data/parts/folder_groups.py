"""Folders with pictures, seen from a folder above them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from primesvt_core.data.files.listing import Place


@dataclass(frozen=True)
class FolderGroup:
    """Folders that hold pictures, all of them in or below one folder.

    Attributes:
        base: that folder.
        places: the folders with pictures.
    """

    base: Place
    places: tuple[Place, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the folders next below."""
        return tuple(sorted({place[len(self.base)] for place in self.places if len(place) > len(self.base)}))

    @property
    def has_loose(self) -> bool:
        """Whether pictures lie in the folder itself."""
        return self.base in self.places

    @property
    def is_flat(self) -> bool:
        """Whether pictures lie nowhere else."""
        return self.places == (self.base,)

    def below(self, name: str) -> FolderGroup:
        """Those in the folder ``name`` next below."""
        base = (*self.base, name)
        return FolderGroup(base, tuple(place for place in self.places if place[: len(base)] == base))

    def narrowed(self) -> FolderGroup:
        """The same, seen from the folder where they part; a single one, from the folder next above it."""
        first, last = min(self.places), max(self.places)
        if first == last:
            return replace(self, base=max(first[:-1], self.base, key=len))
        depth = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
        return replace(self, base=first[:depth])

    def inner(self, names: Collection[str]) -> frozenset[str]:
        """Names of the folders in the folders ``names`` next below."""
        at = len(self.base)
        return frozenset(place[at + 1] for place in self.places if len(place) > at + 1 and place[at] in names)
