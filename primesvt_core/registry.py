"""Plug-ins: one file each, the file's name is its key.

`available` lists files and imports none of them, so that the API lists families without loading torch; `load` imports
one. A package's ``_base.py`` and other names with a leading underscore are not plug-ins.

Plug-ins of one's own lie in folders that ``PRIMESVT_FAMILIES``, ``PRIMESVT_POLICIES`` ... name. They are programs that
are run: who runs PrimeSVT chooses them, nobody else can.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
from functools import cache
from pathlib import Path

from primesvt_core.errors import SpecError, UnknownPlugin


@cache
def available(kind: str) -> tuple[str, ...]:
    """Keys of the plug-ins of ``primesvt_core.<kind>`` (``families``, ``policies`` ...), sorted.

    Raises:
        SpecError: if a folder of one's own is not absolute, or not there.
    """
    package = importlib.import_module(f"primesvt_core.{kind}")
    package.__path__ += [folder for folder in _own_folders(kind) if folder not in package.__path__]
    return tuple(sorted(m.name for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_")))


def load(kind: str, key: str, attribute: str) -> object:
    """Import plug-in ``key`` of ``kind`` and return its ``attribute`` (``FAMILY``, ``POLICY``, ``CRITERION`` ...).

    Raises:
        UnknownPlugin: if there is no such file.
    """
    if key not in available(kind):
        raise UnknownPlugin(f"no {kind} called {key!r}; there are: {', '.join(available(kind))}")
    return getattr(importlib.import_module(f"primesvt_core.{kind}.{key}"), attribute)


def _own_folders(kind: str) -> list[str]:
    variable = f"PRIMESVT_{kind.upper()}"
    folders = [folder for folder in os.environ.get(variable, "").split(os.pathsep) if folder]
    for (
        folder
    ) in folders:  # a relative one would be another folder in every process, perhaps one with a stranger's files
        if not Path(folder).is_absolute() or not Path(folder).is_dir():
            raise SpecError(f"{variable} names {folder}, which is no folder with an absolute path")
    return folders
