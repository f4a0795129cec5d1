"""Write ``requirements-api.lock``: the part of ``requirements.lock`` that an image without computing processes needs.

``make lock`` runs it. The API and the reconciler load neither torch nor what only computing needs. What is left is what
the three distributions declare without `OF_COMPUTING`, and what that needs in turn, as installed packages declare it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, requires

from packaging.requirements import Requirement

from release.lock import LOCK, OWN, PYTHON, ROOT, is_of, needed, pinned
from release.stages import say

SLIM = ROOT / "requirements-api.lock"
OF_COMPUTING = ("torch", "spikingjelly", "matplotlib", "pillow", "numba", "llvmlite", "pyarrow")
"""Declared, and loaded by workers alone: `tests/architecture/test_slim_image.py` starts the API without them."""

HEAD = """\
# What the image of the API and the reconciler installs, by digest: requirements.lock without what computes.
# Written by `make lock`; not by hand.
"""
MACHINE: dict[str, str] = {
    "python_version": PYTHON, "python_full_version": f"{PYTHON}.0", "sys_platform": "linux", "os_name": "posix",
    "platform_system": "Linux", "implementation_name": "cpython", "platform_python_implementation": "CPython",
}  # fmt: skip
"""Of the image (Dockerfile), for which packages say what they need where."""


def name_of(name: str) -> str:
    """A distribution's name as locks write it."""
    return name.lower().replace("_", "-").replace(".", "-")


def asked_by(requirement: Requirement) -> Iterator[Requirement]:
    """What a package, with the extras that are asked for, needs in the image."""
    try:
        declared = requires(requirement.name) or []
    except PackageNotFoundError:  # of another Python or system than this one
        return
    for line in declared:
        found = Requirement(line)
        extras = ("", *requirement.extras)
        if found.marker is None or any(found.marker.evaluate({**MACHINE, "extra": extra}) for extra in extras):
            yield found


def closure(roots: Iterable[str]) -> frozenset[str]:
    """Names of the packages that these requirements bring, themselves included."""
    waiting, found = [Requirement(line) for line in roots], dict[str, frozenset[str]]()
    while waiting:
        requirement = waiting.pop()
        name, extras = name_of(requirement.name), frozenset(requirement.extras)
        if name in found and extras <= found[name]:
            continue
        found[name] = found.get(name, frozenset()) | extras
        waiting += asked_by(requirement)
    return frozenset(found)


def blocks(lock: str) -> Mapping[str, str]:
    """Every package's lines of a lock, by its name."""
    found: dict[str, str] = {}
    name = ""
    for line in lock.splitlines(keepends=True):
        if line.startswith("#"):
            continue
        if not line.startswith(" "):
            name = name_of(line.partition("==")[0])
        found[name] = found.get(name, "") + line
    return found


def slim(lock: str) -> str:
    """The lock of the image that does not compute, with its head."""
    kept = closure(line for line in needed() if not is_of(line, (*OF_COMPUTING, *OWN)))
    return HEAD + "".join(text for name, text in blocks(lock).items() if name in kept)


def main() -> int:
    """Write it."""
    SLIM.write_text(slim(LOCK.read_text("utf-8")), "utf-8")
    say(f"{SLIM.name}: {sum(1 for _ in pinned(SLIM.read_text('utf-8')))} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
