"""What a child must be able to reach: the short list of files beside its own inputs and folders."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from primesvt_core.registry import ATTRIBUTES
from worker.landlock import Files
from worker.protocol import Request

SYSTEM = (
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d",
    "/etc/localtime", "/etc/mime.types", "/etc/fonts", "/nix/store",
)  # fmt: skip
"""Programs and libraries, and what the dynamic linker and the C library read."""

KERNEL = (
    *(f"/proc/{name}" for name in (
        "self", "cpuinfo", "meminfo", "stat", "version", "filesystems", "devices", "modules", "driver", "sys",
    )),
    *(f"/sys/{name}" for name in ("devices", "bus", "class", "module", "fs/cgroup", "kernel/mm")),
)  # fmt: skip
"""How many processors, how much memory, which devices: of other processes nothing."""

DEVICES = ("null", "zero", "full", "random", "urandom", "nvidia*", "nvidia-caps", "dri", "kfd", "dxg")
"""Below /dev."""

PACKAGE = "__init__.py"
METADATA = (".dist-info", ".egg-info")
MODULES = (".py", ".so", ".pyc")


def files_for(request: Request, own: Path) -> Files:
    """The files of a child that carries out ``request``.

    Args:
        request: names the inputs, the folders of the results, the caches that are lent, and what to leave out.
        own: the child's empty folder.
    """
    hidden = [path.resolve() for path in request.sandbox.hidden]
    shared = [*_software(), *request.sandbox.lent]
    return Files(
        readable=[*(part for path in shared for part in _without(path, hidden)), *request.task.reads],
        devices=[path for name in DEVICES for path in sorted(Path("/dev").glob(name))],
        writable=[own, *request.task.writes],
    )


def _software() -> Iterator[Path]:
    """The interpreter, packages, plug-ins and libraries."""
    prefixes = {Path(prefix).resolve() for prefix in (sys.prefix, sys.base_prefix, sys.exec_prefix)}
    yield from map(Path, (*SYSTEM, *KERNEL))
    yield from prefixes
    for variable in ("LD_LIBRARY_PATH", *(f"PRIMESVT_{kind.upper()}" for kind in ATTRIBUTES)):
        yield from (Path(name) for name in os.environ.get(variable, "").split(os.pathsep) if name.startswith("/"))
    for entry in filter(None, dict.fromkeys(map(os.path.realpath, filter(None, sys.path)))):
        if not any(Path(entry).is_relative_to(prefix) for prefix in prefixes):
            yield from _packages(Path(entry))
    yield from _loaded()


def _packages(folder: Path) -> Iterator[Path]:
    """Of a folder where the interpreter looks for modules, the modules: it may be a checkout, with anything beside."""
    for path in folder.iterdir() if folder.is_dir() else ():
        is_module = (path / PACKAGE).is_file() or path.suffix in (*METADATA, *MODULES)
        if is_module and not path.name.startswith("."):
            yield path


def _loaded() -> Iterator[Path]:
    """The packages that are loaded already, wherever they lie."""
    for name, module in list(sys.modules.items()):
        if "." not in name:
            yield from map(Path, getattr(module, "__path__", ()))


def _without(path: Path, hidden: Sequence[Path]) -> Iterator[Path]:
    """A path, or the parts of it in which nothing hidden lies: a rule opens all that is in a folder."""
    real = path.resolve()
    inside = [one for one in hidden if one.is_relative_to(real)]
    if not inside:
        yield path
    elif real not in inside and real.is_dir():
        for entry in sorted(real.iterdir()):
            if not entry.is_symlink():
                yield from _without(entry, inside)
