"""Plug-ins: what there is of each kind, where it comes from, and the record behind a key.

A plug-in of ours is a file in its room, and the file's name is its key. Plug-ins of others lie in folders that
``PRIMESVT_FAMILIES``, ``PRIMESVT_POLICIES`` ... name, or in installed packages that offer them through the entry-point
groups ``primesvt.families``, ``primesvt.policies`` ... All of them are programs that are run: who installs and starts
PrimeSVT chooses them, nobody else can.

`available` lists and imports none of them, so that the API lists families without loading torch; `Registry.load`
imports one. Every room has its registry beside its record: ``primesvt_core.policies`` has ``POLICIES``, and so on. They
are not put together here because this module stands below the rooms.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Generic, TypeVar

from primesvt_core.errors import SpecError, UnknownPlugin

ATTRIBUTES: Mapping[str, str] = {
    "families": "FAMILY",
    "policies": "POLICY",
    "criteria": "CRITERION",
    "repairs": "REPAIR",
    "exporters": "EXPORTER",
}
"""Every kind of plug-in, which is also the name of its room, and the name that a file's record has."""

T = TypeVar("T")


class Need(StrEnum):
    """What must be gathered before a plug-in can do its work."""

    ACTIVATIONS = "activations"
    LABELS = "labels"
    GRADIENTS = "gradients"


GATHERED: frozenset[Need] = frozenset(Need)
"""What this version gathers. A plug-in that needs anything else is refused."""


@dataclass(frozen=True, kw_only=True)
class WithNeeds:
    """A plug-in that may need more than weights.

    Attributes:
        needs: what must be gathered first.
    """

    needs: frozenset[Need] = frozenset()


@dataclass(frozen=True)
class Source:
    """Where a plug-in comes from.

    Attributes:
        place: the file, or the installed package; for people.
        target: the module and the name of the record in it.
    """

    place: str
    target: EntryPoint


@dataclass(frozen=True)
class Registry(Generic[T]):
    """The plug-ins of one kind.

    Attributes:
        kind: its name.
        record: what every plug-in of this kind is.
    """

    kind: str
    record: type[T]

    def available(self) -> tuple[str, ...]:
        """Keys, sorted.

        Raises:
            SpecError: if two plug-ins have the same key, or a folder cannot be used.
        """
        return available(self.kind)

    def load(self, key: str) -> T:
        """Import one plug-in.

        Raises:
            UnknownPlugin: if there is none of that name.
            SpecError: if it cannot be imported, is no such record, or needs what this version does not gather.
        """
        source = sources(self.kind).get(key)
        if source is None:
            raise UnknownPlugin(f"no {self.kind} called {key!r}; there are: {', '.join(self.available())}")
        title = f"{key!r} of the {self.kind} ({source.place})"
        try:
            found: object = source.target.load()
        except (ImportError, AttributeError) as error:
            raise SpecError(f"{title} cannot be loaded: {error}") from error
        if not isinstance(found, self.record):
            raise SpecError(f"{title} is a {type(found).__name__}; a {self.record.__name__} is needed")
        _check_needs(title, found)
        return found


def available(kind: str) -> tuple[str, ...]:
    """Keys of the plug-ins of a kind (``families``, ``policies`` ...), sorted. None of them is imported.

    Raises:
        SpecError: if two plug-ins have the same key, or a folder cannot be used.
    """
    return tuple(sources(kind))


def _check_needs(title: str, found: object) -> None:
    missing = found.needs - GATHERED if isinstance(found, WithNeeds) else frozenset()
    if missing:
        raise SpecError(f"{title} needs {', '.join(sorted(missing))}, which this version of PrimeSVT does not gather")


@cache
def sources(kind: str) -> Mapping[str, Source]:
    """Every plug-in of a kind by its key, sorted, as found when a process first asks.

    Raises:
        SpecError: if two plug-ins have the same key, or a folder cannot be used.
    """
    found: dict[str, Source] = {}
    added = {source.target.name: source for source in ADDED.get(kind, ())}
    for source in (*_files(kind), *_installed(kind)):
        key = source.target.name
        if key in found:
            raise SpecError(f"two {kind} are called {key!r}: {found[key].place} and {source.place}; remove one")
        found[key] = source
    return dict(sorted((found | added).items()))


ADDED: dict[str, tuple[Source, ...]] = {}
"""Plug-ins of single files, which this process was told of."""


def add_file(kind: str, path: Path) -> str:
    """Take a single file for a plug-in, for as long as this process runs; returns its key.

    A file that is a plug-in already, of an installed package or of a folder, is that one. Of another file with the key
    of such a plug-in, which may have been installed before it was changed, the file counts.

    Raises:
        SpecError: if there is no such file, its name is no key, or ours, or that of another file.
    """
    if not path.is_file() or path.suffix != ".py" or not path.stem.isidentifier() or path.stem.startswith("_"):
        raise SpecError(f"{path} is no file KEY.py, with a Python name without a leading _ as its key")
    for key, source in sources(kind).items():
        if (file := _file_of(source)) is not None and file.exists() and file.samefile(path):
            return key
    name = f"primesvt_core.{kind}.{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if not _may_add(kind, path.stem) or spec is None or spec.loader is None:
        raise SpecError(f"one of the {kind} is called {path.stem!r} already; rename {path.name}")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    added = Source(str(path), EntryPoint(path.stem, f"{name}:{ATTRIBUTES[kind]}", kind))
    ADDED[kind] = (*ADDED.get(kind, ()), added)
    sources.cache_clear()
    return path.stem


def _may_add(kind: str, key: str) -> bool:
    """Whether a file may be taken for the plug-in of this key."""
    added = {source.target.name for source in ADDED.get(kind, ())}
    return key not in sources(kind) or not (key in added or is_ours(kind, key))


def is_ours(kind: str, key: str) -> bool:
    """Whether a plug-in is one of this library's."""
    room, source = Path(__file__).with_name(kind), sources(kind)[key]
    return Path(source.place).parent == room and source.target.module.startswith(f"primesvt_core.{kind}.")


def _file_of(source: Source) -> Path | None:
    """The file of a plug-in's module, which is not imported."""
    try:
        spec = importlib.util.find_spec(source.target.module)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec is not None and spec.origin is not None else None


def _files(kind: str) -> Iterator[Source]:
    """Of our own room and of the folders that the environment names."""
    room, others = Path(__file__).with_name(kind), _named_folders(kind)
    if others:
        package = importlib.import_module(f"primesvt_core.{kind}")
        package.__path__ = [str(room), *others]  # where the import system looks for its modules
    for folder in (str(room), *others):
        for module in pkgutil.iter_modules([folder]):
            if not module.name.startswith("_"):
                target = EntryPoint(module.name, f"primesvt_core.{kind}.{module.name}:{ATTRIBUTES[kind]}", kind)
                yield Source(str(Path(folder) / module.name), target)


def _named_folders(kind: str) -> tuple[str, ...]:
    variable = f"PRIMESVT_{kind.upper()}"
    folders = [folder for folder in os.environ.get(variable, "").split(os.pathsep) if folder]
    for folder in folders:
        # A relative one would be another folder in every process, perhaps one with a stranger's files.
        if not Path(folder).is_absolute() or not Path(folder).is_dir():
            raise SpecError(f"{variable} names {folder}, which is no folder with an absolute path")
    return tuple(dict.fromkeys(folders))


def _installed(kind: str) -> Iterator[Source]:
    """Of installed packages."""
    for entry in entry_points(group=f"primesvt.{kind}"):
        owner = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unknown package"
        place = f"{entry.value} of {owner}"
        if not entry.name.isidentifier() or entry.name.startswith("_"):
            raise SpecError(f"{place} offers {entry.name!r} to the {kind}; a key is a Python name without a leading _")
        yield Source(place, entry)
