"""Plug-ins: one file each, the file's name is its key.

`available` lists files and imports none of them, so that the API lists families without loading torch; `load` imports
one. A package's ``_base.py`` and other names with a leading underscore are not plug-ins.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from primesvt_core.errors import UnknownPlugin


@cache
def available(kind: str) -> tuple[str, ...]:
    """Keys of the plug-ins of ``primesvt_core.<kind>`` (``families``, ``policies`` ...), sorted."""
    package = importlib.import_module(f"primesvt_core.{kind}")
    return tuple(sorted(m.name for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_")))


def load(kind: str, key: str, attribute: str) -> object:
    """Import plug-in ``key`` of ``kind`` and return its ``attribute`` (``FAMILY``, ``POLICY``, ``CRITERION`` ...).

    Raises:
        UnknownPlugin: if there is no such file.
    """
    if key not in available(kind):
        raise UnknownPlugin(f"no {kind} called {key!r}; there are: {', '.join(available(kind))}")
    return getattr(importlib.import_module(f"primesvt_core.{kind}.{key}"), attribute)
