"""Which folder is of which class: innermost folders or outermost ones, none of them a part of the data set."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from primesvt_client.spec_types import Rule
from primesvt_core.data._base import Part, refuse
from primesvt_core.data.classes.class_order import SHOWN, composed
from primesvt_core.data.files.listing import Place
from primesvt_core.data.parts.folder_groups import FolderGroup
from primesvt_core.data.parts.part_folders import WANTED
from primesvt_core.data.parts.part_names import Kind, kinds_of

BY_LIST = "give --class-order FILE with one class a line, or the folder of one group as the data set"


@dataclass(frozen=True)
class ClassFolders:
    """Class folders of a data set, or of one of its parts.

    Attributes:
        classes: name of the class by folder with pictures; folders of other parts are not among them.
        empty: names of classes in whose folders no picture was found.
    """

    classes: Mapping[Place, str]
    empty: frozenset[str]


def class_folders(
    name: str, group: FolderGroup, folders: Collection[Place], *, rule: Rule, names: Collection[str], wanted: Part
) -> ClassFolders:
    """The class folders below the base of a group, which holds no pictures itself.

    Args:
        name: of the data set, for messages.
        group: folders with pictures.
        folders: all folders of the data set, also those without pictures.
        rule: ``natural`` takes innermost folders, ``plain`` outermost ones.
        names: of all classes, where they are listed; these folders are taken then.
        wanted: the part to take where parts lie inside the class folders.

    Raises:
        DataError: naming the folders that cannot be told apart.
    """
    depth = len(group.base)
    _check_spelling(name, [place[depth:] for place in group.places])
    paths = _without_parts(name, {place: place[depth:] for place in group.places}, wanted, names)
    if names:
        found = {place: _listed(name, path, names) for place, path in paths.items()}
    else:
        found = {place: path if rule == "natural" else path[:1] for place, path in paths.items()}
    _check_spelling(name, found.values())
    known = {path[:length] for path in paths.values() for length in range(1, len(path) + 1)}
    below = {place[depth:] for place in folders if place[:depth] == group.base and len(place) > depth}
    empty = _empty(below, {path[:-1] for path in found.values()}, known | {place[depth:] for place in group.places})
    return ClassFolders(
        {place: composed(path[-1]) for place, path in found.items()},
        frozenset(one for one in map(composed, empty) if not names or one in names),
    )


def _listed(name: str, path: Place, names: Collection[str]) -> Place:
    """The path as far as the folder that is listed."""
    depths = [depth for depth, folder in enumerate(path) if composed(folder) in names]
    if len(depths) != 1:
        told = "several folders are" if depths else "no folder is"
        raise refuse(
            "data_classes", f"of {'/'.join(path)} in {name} {told} in the class order; it lists folders' names"
        )
    return path[: depths[0] + 1]


def _without_parts(
    name: str, paths: Mapping[Place, Place], wanted: Part, names: Collection[str]
) -> Mapping[Place, Place]:
    """The paths without innermost folders that are the same in every class: ``images``, or ``train`` and ``test``."""
    while True:
        last = {path[-1] for path in paths.values()}
        if any(composed(folder) in names for folder in last):  # they are classes, whatever groups they lie in
            return paths
        repeated = _repeated(paths.values())
        if kinds := _inner_parts(paths):
            paths = _of_part(name, paths, kinds, wanted)
        elif not repeated or (names and len(last) > 1):
            return paths
        elif len(last) == 1 and all(len(path) > 1 for path in paths.values()):
            paths = {place: path[:-1] for place, path in paths.items()}
        else:
            folder, holders = next(iter(repeated.items()))
            raise refuse(
                "data_format",
                f"{name} has a folder {folder} in {', '.join(holders[:SHOWN])}: what repeats the same classes is no"
                f" class, and which of them to take is not told; {BY_LIST}",
            )


def _inner_parts(paths: Mapping[Place, Place]) -> dict[Place, Kind]:
    """The kinds of the innermost folders, if all of them are parts that lie inside class folders."""
    if not all(len(path) > 1 for path in paths.values()):
        return {}
    kinds = {place: kinds_of([path[-1]], path[-2]).get(path[-1]) for place, path in paths.items()}
    found = {place: kind for place, kind in kinds.items() if kind is not None}
    return found if len(found) == len(kinds) else {}


def _of_part(
    name: str, paths: Mapping[Place, Place], kinds: Mapping[Place, Kind], wanted: Part
) -> Mapping[Place, Place]:
    """The paths of the wanted part, without its folder."""
    taken = next((kind for kind in WANTED[wanted] if kind in kinds.values()), None)
    if taken is None:
        seen = ", ".join(sorted({path[-1] for path in paths.values()})[:SHOWN])
        raise refuse("data_format", f"{name} holds {seen} in its class folders, but no {wanted} data")
    return {place: path[:-1] for place, path in paths.items() if kinds[place] == taken}


def _repeated(paths: Collection[Place]) -> dict[str, list[str]]:
    """Innermost folders that lie in several others, with these."""
    holders = defaultdict(list)
    for path in sorted(set(paths)):
        holders[composed(path[-1])].append("/".join(path[:-1]) or "its root")
    return {folder: found for folder, found in holders.items() if len(found) > 1}


def _empty(folders: Collection[Place], parents: Collection[Place], known: Collection[Place]) -> set[str]:
    """Folders without pictures that lie where class folders do."""
    return {place[-1] for place in folders if place[:-1] in parents and place not in known}


def _check_spelling(name: str, paths: Collection[Place]) -> None:
    """Refuse folders whose names differ only in how accents are written."""
    seen: dict[tuple[str, ...], Place] = {}
    for path in paths:
        if seen.setdefault(tuple(map(composed, path)), path) != path:
            raise refuse(
                "data_classes",
                f"{name} has two folders called {composed('/'.join(path))}, their accents written in two ways; rename"
                " or merge them",
            )
