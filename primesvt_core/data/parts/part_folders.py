"""Which folders are parts of a data set (training, test ...), and which of them is wanted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from primesvt_core.data._base import Part, refuse
from primesvt_core.data.parts.folder_groups import FolderGroup
from primesvt_core.data.parts.part_names import Kind, kinds_of

WANTED: Mapping[Part, tuple[Kind, ...]] = {"test": ("test", "val"), "train": ("train",)}
"""Kinds of folders that are taken for a part, best first."""

INSTEAD = "give the folder of one part as the data set, or add the file with the labels of its pictures"


@dataclass(frozen=True)
class Choice:
    """One part, or all of a data set that has none.

    Attributes:
        group: its folders.
        others: those of the other parts whose pictures have labels.
        path: names of the folders that were chosen as parts, from the outside; empty if there are none.
        notes: what was taken, where that is not plain.
    """

    group: FolderGroup
    others: tuple[FolderGroup, ...] = ()
    path: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class PartFinder:
    """Finds the parts of one data set.

    Attributes:
        name: of the data set, for messages.
        wanted: the part to choose.
        is_class: whether a folder is known to be a class's.
        is_labelled: whether the pictures of a part have labels.
        label_files: files that seem to have labels, for messages.
    """

    name: str
    wanted: Part
    is_class: Callable[[str], bool]
    is_labelled: Callable[[FolderGroup], bool]
    label_files: tuple[str, ...] = ()

    def choose(self, group: FolderGroup) -> Choice:
        """The wanted part.

        Raises:
            DataError: naming the parts, where none of them can be taken.
        """
        group = group.narrowed()
        kinds = self._kinds(group)
        if not kinds:
            return Choice(group)
        labelled = self._labelled(group, kinds)
        taken = self._taken(group, kinds, labelled)
        inside = self.choose(group.below(taken))
        others = [other for part in labelled if part != taken for other in self._all(group.below(part))]
        return Choice(
            inside.group,
            (*inside.others, *others),
            (taken, *inside.path),
            (*self._notes(group, kinds, labelled, taken), *inside.notes),
        )

    def _all(self, group: FolderGroup) -> Iterable[FolderGroup]:
        """All parts of a part, or itself."""
        group = group.narrowed()
        kinds = self._kinds(group)
        if not kinds:
            yield group
        for part in self._labelled(group, kinds):
            yield from self._all(group.below(part))

    def _labelled(self, group: FolderGroup, kinds: Mapping[str, Kind]) -> list[str]:
        return [part for part, kind in kinds.items() if kind != "unlabelled" and self.is_labelled(group.below(part))]

    def _kinds(self, group: FolderGroup) -> dict[str, Kind]:
        """The folders next below that are parts, with their kinds; none where they are classes or groups of classes.

        Raises:
            DataError: some may be parts and the others classes.
        """
        kinds = kinds_of(group.names, group.base[-1] if group.base else "")
        others = [name for name in group.names if name not in kinds]
        if any(map(self.is_class, group.names)):
            return {}
        if not others:
            return kinds
        deep = [name for name in kinds if group.inner([name])]
        if not deep:  # classes, one of which may be called train
            return {}
        inside = Counter(folder for name in deep for folder in group.inner([name]))
        if any(count > 1 for count in inside.values()) or all(
            group.inner([name]) & group.inner(deep) for name in others
        ):
            return kinds
        if all(group.inner([name]) for name in others):  # groups of classes
            return {}
        raise refuse(
            "data_format",
            f"{self.name} has the folders {', '.join(deep)} beside {_few(others)}: these may be parts or classes;"
            f" {INSTEAD}, or give --class-order FILE with one class a line",
        )

    def _taken(self, group: FolderGroup, kinds: Mapping[str, Kind], labelled: list[str]) -> str:
        for kind in WANTED[self.wanted]:
            found = [name for name in labelled if kinds[name] == kind]
            if len(found) > 1:
                raise refuse(
                    "data_format", f"{self.name} has several folders with {kind} data ({_few(found)}); {INSTEAD}"
                )
            if found:
                return found[0]
        if self.wanted == "test" and len(labelled) == 1 and not {"test", "val"} & {*kinds.values()}:
            return labelled[0]
        told = f"; labels have only {_few(labelled)}" if labelled else ", none of which has labels"
        if self.label_files:
            told += f", and of {_few([*self.label_files])} nothing says which picture is of which class"
        raise refuse(
            "data_format",
            f"{self.name} holds the parts {_few(sorted(kinds))}{told}: there is no {self.wanted} data; {INSTEAD}",
        )

    def _notes(self, group: FolderGroup, kinds: Mapping[str, Kind], labelled: list[str], taken: str) -> Iterable[str]:
        """What was not read where one would expect it."""
        better = (
            WANTED[self.wanted][: WANTED[self.wanted].index(kinds[taken])]
            if kinds[taken] in WANTED[self.wanted]
            else ()
        )
        if kinds[taken] not in WANTED[self.wanted]:
            yield f"{self.name} has no {self.wanted} data: {taken} was read."
        if without := [name for name in kinds if kinds[name] in better and name not in labelled]:
            yield f"The pictures in {_few(without)} have no labels: {taken} was read."
        if others := [name for name in group.names if name not in kinds]:
            yield f"Beside {taken}, the folders {_few(others)} were not read."
        if group.has_loose:
            yield f"Pictures beside the folder {taken} were not read."


def _few(names: list[str], shown: int = 6) -> str:
    return ", ".join([*names[:shown], *(["..."] if len(names) > shown else [])])
