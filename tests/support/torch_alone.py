"""A Python that has torch and what torch needs, and nothing else: neither this project nor spikingjelly."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

ABSENT = ("primesvt", "primesvt_core", "primesvt_client", "spikingjelly")

START = """
import sys
sys.path.append({packages!r})
for name in {absent!r}:
    try:
        __import__(name)
    except ModuleNotFoundError:
        continue
    sys.exit(f"{{name}} is there")
"""


def packages(folder: Path, *names: str) -> Path:
    """A folder with links to installed distributions and to those that they require."""
    folder.mkdir()
    for name in _closure(names):
        for entry in _top_level(name):
            (folder / entry.name).symlink_to(entry)
    return folder


def run_alone(code: str, packages: Path, cwd: Path, *, absent: Sequence[str] = ABSENT) -> str:
    """What code prints in a Python of which the site-packages are that folder, without any environment."""
    start = START.format(packages=str(packages), absent=tuple(absent))
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", start + code], cwd=cwd, capture_output=True, text=True, check=False,
        env={"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def _closure(names: Sequence[str]) -> Iterator[str]:
    waiting, seen = [*names], set[str]()
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in seen:
            continue
        seen.add(name)
        yield name
        for text in distribution(name).requires or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)


def _top_level(name: str) -> Iterator[Path]:
    """Folders and modules of a distribution in site-packages."""
    site = Path(sysconfig.get_paths()["purelib"])
    tops = {file.parts[0] for file in distribution(name).files or () if file.parts[0] not in ("..", "__pycache__")}
    yield from (site / top for top in sorted(tops) if not top.endswith(".pth"))
