"""How tests are shared out among the processes of pytest-xdist.

What one process makes once for many tests is made once: a module's fixtures, a reference model, the servers that tests
of the real service start. So a module is one group, but for

- tests of one reference model, in whatever module of `tests/conformance` they are, which are one;
- modules of `tests/e2e` whose fixtures have parameters, of which each is one;
- `tests/contract`, whose tests have nothing in common;
- `ALONE`.

pytest-xdist's own groups (``--dist=loadgroup``) change the ids of tests in a way that pytest 9.2 ignores.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

TESTS = Path(__file__).resolve().parents[1]
ORDER = (
    "e2e/test_service.py", "e2e/test_commands.py", "e2e/test_pipeline.py", "e2e/test_sharing.py", "e2e",
    "contract", "conformance", "app", "worker", "core",
)  # fmt: skip
"""What is begun first, as it takes longest: nobody is left with one of them in the end."""

ALONE = ("test_the_demo_goes_the_whole_way",)
"""Tests of minutes that need nothing of what their modules make."""


def in_order(items: list[pytest.Item]) -> None:
    """Bring tests into the order in which they are begun; within a group it stays."""
    items.sort(key=lambda item: _turn(item.path.relative_to(TESTS).as_posix()))


def _turn(path: str) -> int:
    return next((turn for turn, begun in enumerate(ORDER) if path.startswith(begun)), len(ORDER))


def group_of(test: str) -> str:
    """The group of a test, by its id."""
    path, _, name = test.partition("::")
    folder = path.removeprefix("tests/").partition("/")[0]
    parameter = name.rpartition("[")[2].rstrip("]") if "[" in name else ""
    if folder == "contract" or name in ALONE:
        return test
    if folder == "conformance" and parameter:
        return parameter
    return f"{path}[{parameter}]" if path.endswith("test_hostile_uploads.py") else path


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Gives every process whole groups, in the order of the tests."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
