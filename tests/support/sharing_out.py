"""How tests are shared out among the processes of pytest-xdist (``--dist=loadgroup --no-loadscope-reorder``).

What one process makes once for many tests is made once: a module's fixtures, a reference model, the servers that tests
of the real service start. So a module is one group, but for

- everything in `tests/e2e`, which is one: it mostly waits for processes, browsers and servers, and two of it at once
  would wait for each other while nobody computes;
- tests of one reference model, in whatever module they are, which are one;
- modules marked ``apart``, whose tests have nothing in common.
"""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
ORDER = ("e2e", "contract", "conformance", "app", "worker", "core")
"""Folders whose groups are begun first, as they take longest: nobody is left with one of them in the end."""


def share_out(items: list[pytest.Item]) -> None:
    """Mark every test with its group and bring the groups into order."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    folder = item.path.relative_to(TESTS).parts[0]
    return ORDER.index(folder) if folder in ORDER else len(ORDER)


def _group(item: pytest.Item) -> str:
    path = item.path.relative_to(TESTS)
    if path.parts[0] == "e2e":
        return "e2e"
    if reference := _reference(item):
        return reference
    return item.name if item.get_closest_marker("apart") else path.as_posix()


def _reference(item: pytest.Item) -> str:
    """Name of the reference model of a test, if it is of one."""
    found = getattr(item, "callspec", None)
    values = [] if found is None else [found.params.get(name) for name in ("reference", "model")]
    return next((value.name for value in values if hasattr(value, "family") and hasattr(value, "name")), "")
