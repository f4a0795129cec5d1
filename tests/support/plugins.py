"""Plug-ins of one's own, in folders that the environment names."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import pytest

from primesvt_core import registry
from tests.support.pages import shown


@contextmanager
def refound() -> Iterator[None]:
    """Look for plug-ins anew, and forget those of other folders afterwards."""
    rooms = [import_module(f"primesvt_core.{kind}") for kind in registry.ATTRIBUTES]
    paths = [[*room.__path__] for room in rooms]
    registry.sources.cache_clear()
    try:
        yield
    finally:
        registry.sources.cache_clear()
        for room, path in zip(rooms, paths, strict=True):
            for key in [key for key in vars(room) if f"{room.__name__}.{key}" in sys.modules]:
                if str(Path(sys.modules[f"{room.__name__}.{key}"].__file__ or "").parent) not in path:
                    del sys.modules[f"{room.__name__}.{key}"]
            room.__path__ = path


@contextmanager
def documented(kind: str, key: str, folder: Path) -> Iterator[None]:
    """A plug-in of docs/plugins.md beside the others, from a folder."""
    (folder / f"{key}.py").write_text(shown("plugins.md")[f"acme/{key}.py"], encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(f"PRIMESVT_{kind.upper()}", str(folder))
        with refound():
            yield
