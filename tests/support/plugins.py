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
    """Look for plug-ins anew, and forget those that are found meanwhile."""
    rooms = {kind: import_module(f"primesvt_core.{kind}") for kind in registry.ATTRIBUTES}
    paths, modules = {kind: [*room.__path__] for kind, room in rooms.items()}, {*sys.modules}
    registry.sources.cache_clear()
    try:
        yield
    finally:
        registry.sources.cache_clear()
        for kind, room in rooms.items():
            room.__path__ = paths[kind]
            for name in [name for name in sys.modules.keys() - modules if name.startswith(f"{room.__name__}.")]:
                del sys.modules[name]


@contextmanager
def gentle_policy(folder: Path) -> Iterator[None]:
    """The policy of docs/plugins.md, which has a parameter, beside the others."""
    (folder / "gentle.py").write_text(shown("plugins.md")["acme/gentle.py"], encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRIMESVT_POLICIES", str(folder))
        with refound():
            yield
