"""What a child may do and use: decided by the worker, applied by the child before it opens anything."""

from __future__ import annotations

import os
import re
import resource
from collections.abc import Mapping

from app.settings import Settings
from primesvt_core.registry import ATTRIBUTES
from worker import memory, seccomp
from worker.protocol import Sandbox

PASSED_VARIABLES = re.compile(
    r"PATH|LANG|LC_\w+|TZ|LD_LIBRARY_PATH|MPLCONFIGDIR|(OMP|MKL|OPENBLAS|CUDA|NVIDIA|TORCH|PYTHON)\w*"
    rf"|PRIMESVT_({'|'.join(map(str.upper, ATTRIBUTES))})"
)
"""Variables that a child inherits: no address, no credentials, of the service's own only the plug-in folders."""

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
OPEN_FILES = 256
SMALLEST_FILE = 1 << 16
"""Bytes of a file that every child may write: what it says on standard error."""
GRACE_SECONDS = 5
"""Between the signal that reports the end of the processor time and the one that kills."""


def for_validation(settings: Settings, scratch_bytes: int | None = None) -> Sandbox:
    """Of a child that opens an upload that is not validated yet, and may unpack it to so many bytes."""
    limits = [most for most in (settings.validation_file_bytes or None, scratch_bytes) if most is not None]
    return Sandbox(
        memory_bytes=settings.validation_memory_bytes,
        cpu_seconds=settings.validation_cpu_seconds,
        file_bytes=max(min(limits, default=0), SMALLEST_FILE) if limits else 0,
        open_files=OPEN_FILES,
        programs=False,
    )


def for_computing(settings: Settings) -> Sandbox:
    """Of a child that computes with what was validated: frameworks and drivers start programs and map a lot."""
    most = settings.child_memory_bytes or int(settings.child_memory_share * memory.machine_bytes())
    return Sandbox(memory_bytes=most)


def environment(inherited: Mapping[str, str], sandbox: Sandbox, scratch: str) -> dict[str, str]:
    """A child's variables; ``scratch`` is where its temporary files go."""
    passed = {name: value for name, value in inherited.items() if PASSED_VARIABLES.fullmatch(name)}
    threads = {} if sandbox.programs else ONE_THREAD
    return {**passed, **threads, "OMP_WAIT_POLICY": "PASSIVE", "TMPDIR": scratch}


def enter(sandbox: Sandbox) -> list[str]:
    """Apply the limits, while there is a single thread; returns those that this machine cannot give."""
    os.umask(0o077)
    wanted = {
        "RLIMIT_CORE": 0,
        "RLIMIT_DATA": sandbox.memory_bytes or None,
        "RLIMIT_CPU": sandbox.cpu_seconds or None,
        "RLIMIT_FSIZE": sandbox.file_bytes or None,
        "RLIMIT_NOFILE": sandbox.open_files or None,
    }
    missing = [name for name, most in wanted.items() if most is not None and not _limit(name, most)]
    return missing if seccomp.confine(programs=sandbox.programs) else [*missing, "seccomp"]


def _limit(name: str, most: int) -> bool:
    number = getattr(resource, name)
    _, hard = resource.getrlimit(number)
    later = most + GRACE_SECONDS if name == "RLIMIT_CPU" else most
    most, later = (value if hard == resource.RLIM_INFINITY else min(value, hard) for value in (most, later))
    try:
        resource.setrlimit(number, (most, later))
    except (OSError, ValueError):
        return False
    return True
