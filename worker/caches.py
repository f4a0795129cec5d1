"""What is kept compiled on this machine: children read it, only the worker's own programs write it.

A child that could write there would decide what the next one runs.
"""

from __future__ import annotations

import hashlib
import logging
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

log = logging.getLogger(__name__)

COMPILE = "primesvt_core.engines.compiling"
LIST_FONTS = "import matplotlib.font_manager"
LONGEST_SECONDS = 900.0
INDEX, KERNELS, FONTS = "*.nbi", "*.nb[ic]", "fontlist-*.json"


def folders() -> tuple[Path, ...]:
    """Where compiled kernels and the list of fonts lie, as far as there are any."""
    return tuple(path for path in (*_kernels(), _fonts()) if path.is_dir())


def lend(home: Path) -> None:
    """Links to them where numba and matplotlib look for them in a child's home; what it compiles itself stays there."""
    for folder in _kernels():
        # numba names the folder of a user so, after the folder of the source.
        source = str(_engines())
        name = f"{Path(source).name}_{hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()}"
        _link(folder, KERNELS, home / ".cache" / "numba" / name)
    _link(_fonts(), FONTS, home / ".cache" / "matplotlib")


def fill() -> None:
    """Compile the kernels, and list the fonts, into the caches of this user, unless they are there already."""
    newest = max((path.stat().st_mtime for path in _engines().glob("native*.py")), default=0.0)
    indices = [path.stat().st_mtime for folder in _kernels() for path in folder.glob(INDEX)]
    if find_spec("numba") is not None and not any(at >= newest for at in indices):
        _run("-m", COMPILE)
    if not any(_fonts().glob(FONTS)):
        _run("-c", LIST_FONTS)


def _run(*arguments: str) -> None:
    try:
        done = subprocess.run(  # noqa: S603  # our own module
            [sys.executable, "-P", *arguments], timeout=LONGEST_SECONDS, check=False, capture_output=True
        )
    except subprocess.TimeoutExpired:
        log.warning("caches_not_filled", extra={"reason": f"it took longer than {LONGEST_SECONDS:g} s"})
        return
    if done.returncode:
        log.warning("caches_not_filled", extra={"reason": done.stderr.decode("utf-8", "replace")[-500:]})


def _engines() -> Path:
    spec = find_spec("primesvt_core")
    return Path(spec.submodule_search_locations[0] if spec and spec.submodule_search_locations else ".") / "engines"


def _kernels() -> tuple[Path, ...]:
    """Beside the source and, where that cannot be written to, in the user's folder."""
    own = _of_user() / "numba"
    return (_engines() / "__pycache__", *(sorted(own.glob("engines_*")) if own.is_dir() else ()))


def _fonts() -> Path:
    named = os.environ.get("MPLCONFIGDIR")
    return Path(named) if named else _of_user() / "matplotlib"


def _of_user() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))  # noqa: PTH111  # may have no home


def _link(source: Path, pattern: str, target: Path) -> None:
    for path in source.glob(pattern):
        target.mkdir(parents=True, exist_ok=True)
        if not (target / path.name).exists():
            (target / path.name).symlink_to(path)
