"""The library's own part: versions, extras, plug-ins, threads."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

import torch

from primesvt_core import __version__, registry
from primesvt_core.diagnosis._base import Finding, State
from primesvt_core.engines.kernels import available
from primesvt_core.errors import SpecError

PACKAGES = ("torch", "spikingjelly", "numpy", "scipy", "safetensors", "pillow", "pydantic")
EXTRAS = {
    "fast": ("numba", "kernels of the engine; it computes the same without, slower"),
    "parquet": ("pyarrow", "data sets as Hugging Face publishes them"),
    "frames": ("pandas", "tables of reports as data frames"),
}
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY", "OMP_PROC_BIND", "CUDA_VISIBLE_DEVICES")


def findings() -> Iterator[Finding]:
    """What a report of a fault must say, and what is missing."""
    yield Finding(
        part="versions", state=State.NOTED, detail=f"primesvt {__version__}, Python {platform.python_version()}"
    )
    yield Finding(part="versions", state=State.NOTED, detail=", ".join(map(_version, PACKAGES)))
    yield Finding(part="machine", state=State.NOTED, detail=f"{platform.platform()}, {_processor()}")
    yield from _extras()
    yield from _plugins()
    yield from _threads()


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} missing"


def _processor() -> str:
    """The name of the processor where the system tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123  # no path of anybody's
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def _extras() -> Iterator[Finding]:
    for extra, (module, what) in EXTRAS.items():
        there = find_spec(module) is not None
        detail = f"{extra}: {module} is there" if there else f"{extra} is not installed ({what}): primesvt[{extra}]"
        yield Finding(part="extras", state=State.GOOD if there else State.NOTED, detail=detail)
    yield Finding(part="kernels", state=State.NOTED, detail=f"{available()}")


def _plugins() -> Iterator[Finding]:
    """Plug-ins of others, which are programs that are run, and whatever is in the way of any."""
    for kind in registry.ATTRIBUTES:
        try:
            others = [
                f"{key} ({registry.sources(kind)[key].place})"
                for key in registry.available(kind)
                if not registry.is_ours(kind, key)
            ]
        except SpecError as error:
            yield Finding(part="plug-ins", state=State.BAD, detail=error.message)
            continue
        if others:
            yield Finding(part="plug-ins", state=State.NOTED, detail=f"{kind} of others: {', '.join(others)}")


def _threads() -> Iterator[Finding]:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    used = torch.get_num_threads()
    chosen = ", ".join(f"{name}={os.environ[name]}" for name in THREADS if os.environ.get(name)) or "no variables"
    detail = f"torch computes with {used} threads, of {usable} processors this process may use ({chosen})"
    if used > usable:
        detail += f"; more threads than processors make everything slower: OMP_NUM_THREADS={usable}"
    yield Finding(part="threads", state=State.BAD if used > usable else State.GOOD, detail=detail)
    if os.environ.get("OMP_PROC_BIND"):
        yield Finding(
            part="threads",
            state=State.NOTED,
            detail="OMP_PROC_BIND is set: the service unsets it for what computes jobs",
        )
