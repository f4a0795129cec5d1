"""What an installation of the library takes beside torch and spikingjelly, and how soon it can be used."""

from __future__ import annotations

import json
from collections.abc import Mapping

from release.environments import Environment
from release.stages import call, need

MOST_BYTES = 60_000_000
"""Of the library and all that it needs, beside what torch and spikingjelly bring."""

MOST_SECONDS = 0.1
"""For ``import primesvt``, the quickest of some tries: others use the machine as well."""

TRIES = 5
BESIDE = ("torch", "spikingjelly")

SIZES = """
import json, sys
from importlib.metadata import PackageNotFoundError, distribution, requires
from pathlib import Path
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

def closure(*names):
    found, waiting = set(), list(names)
    while waiting:
        name = canonicalize_name(waiting.pop())
        try:
            wanted = requires(name) or ()
        except PackageNotFoundError:
            continue
        if name not in found:
            found.add(name)
            needed = map(Requirement, wanted)
            waiting += [r.name for r in needed if r.marker is None or r.marker.evaluate({"extra": ""})]
    return found

def size(name):
    files = map(Path, (path.locate() for path in distribution(name).files or ()))
    return sum(path.stat().st_size for path in files if path.is_file() and path.suffix != ".pyc")

print(json.dumps({name: size(name) for name in closure("primesvt") - closure(*sys.argv[1:])}))
"""

IMPORT = """
import sys, time
began = time.perf_counter()
import primesvt
print(time.perf_counter() - began, "torch" in sys.modules)
"""


def check_size(place: Environment) -> Mapping[str, int]:
    """Bytes of every distribution that the library brings beside torch and spikingjelly.

    Raises:
        ReleaseError: they are more than they may be.
    """
    found: dict[str, int] = json.loads(call((place.home / "bin" / "python", "-c", SIZES, *BESIDE), place.folder))
    total = sum(found.values())
    largest = ", ".join(f"{name} {found[name]:,}" for name in sorted(found, key=lambda name: -found[name])[:3])
    need(
        total <= MOST_BYTES, f"the library brings {total:,} bytes, more than {MOST_BYTES:,}; the largest are {largest}"
    )
    return found


def check_import(place: Environment) -> float:
    """Seconds that ``import primesvt`` takes.

    Raises:
        ReleaseError: it loads torch, or takes too long.
    """
    answers = [call((place.home / "bin" / "python", "-c", IMPORT), place.folder).split() for _ in range(TRIES)]
    need(all(loaded == "False" for _, loaded in answers), "`import primesvt` loads torch")
    quickest = min(float(seconds) for seconds, _ in answers)
    need(quickest <= MOST_SECONDS, f"`import primesvt` takes {quickest:.3f} s, more than {MOST_SECONDS}")
    return quickest
