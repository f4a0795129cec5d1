"""How tests are shared out among several processes (``make test``): which belong together, and which are begun first.

What one process makes once for many tests is made once: a module's fixtures, a reference model, the servers that tests
of the real service start. So a module is one group, but for

- tests of one reference model, in whatever module they are, which are one;
- modules whose tests, or the parameters of whose fixtures, have nothing in common and take minutes.
"""

from __future__ import annotations

import re

ORDER = (
    "e2e/test_hostile_uploads.py", "contract/", "e2e/test_commands.py", "e2e/", "conformance/", "app/jobs/", "app/",
    "worker/", "core/",
)  # fmt: skip
"""Beginnings of the paths of what is begun first, as it takes longest: nobody is left with one of them in the end."""

APART = ("contract/test_openapi.py",)
BY_PARAMETER = ("e2e/test_hostile_uploads.py",)
ALONE = ("e2e/test_commands.py::test_the_demo_goes_the_whole_way",)
REFERENCE = re.compile(r"\[.*?((?:sj_)?(?:spik|qk|sdt|max)\w*-[\w-]+)")
"""The name of a reference model among a test's parameters; it begins with its family."""


def turn(nodeid: str) -> int:
    """When a test is begun; those of a group follow each other as they were."""
    path = _below_tests(nodeid)
    return next((number for number, start in enumerate(ORDER) if path.startswith(start)), len(ORDER))


def group(nodeid: str) -> str:
    """What a test belongs to."""
    path = _below_tests(nodeid)
    module, _, test = path.partition("::")
    if module in APART or path in ALONE:
        return path
    if module in BY_PARAMETER:
        return module + test.partition("[")[2]
    reference = REFERENCE.search(test) if module.startswith("conformance/") else None
    return reference[1] if reference else module


def _below_tests(nodeid: str) -> str:
    return nodeid.removeprefix("tests/")
