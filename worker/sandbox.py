"""What a child may do and use: decided by the worker, applied by the child before it opens anything."""

from __future__ import annotations

import os
import re
import resource
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import unquote, urlsplit

from app.hardening import hide_memory
from app.settings import Settings
from primesvt_core.registry import ATTRIBUTES
from worker import caches, landlock, memory, seccomp, users
from worker.protocol import Request, Sandbox
from worker.reachable import files_for

PASSED_VARIABLES = re.compile(
    r"PATH|LANG|LC_\w+|TZ|LD_LIBRARY_PATH|(OMP|MKL|OPENBLAS|CUDA|NVIDIA|TORCH|PYTHON)\w*"
    rf"|PRIMESVT_({'|'.join(map(str.upper, ATTRIBUTES))})"
)
"""Variables that a child inherits: no address, no credentials, of the service's own only the plug-in folders."""

PINNING = ("OMP_PROC_BIND", "OMP_PLACES")
"""Variables with which OpenMP moves threads to processors by a call that the filter allows for a process itself alone;
it would end the child.
"""

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
OPEN_FILES = 256
SMALLEST_FILE = 1 << 16
"""Bytes of a file that every child may write: what it says on standard error."""
GRACE_SECONDS = 5
"""Between the signal that reports the end of the processor time and the one that kills."""


class Promise(StrEnum):
    """What a child cannot do. One that a machine does not hold is logged by this name, and named by ``/readyz``."""

    NETWORK = "network"
    """It uses no network."""
    PROGRAMS = "programs"
    """It starts no program, while it validates."""
    PROCESSES = "processes"
    """It reads neither memory nor environment of another process, and changes none of its limits."""
    SIGNALS = "signals"
    """It signals no other process."""
    FILES = "files"
    """It reads no file but its inputs and what is on the list of `worker.reachable`."""
    WRITING = "writing"
    """It writes only in its own folders."""
    SOCKETS = "sockets"
    """It reaches no other program of this machine through a socket."""
    ROOT = "root"
    """It has given root up."""


@dataclass(frozen=True, kw_only=True)
class Means:
    """What a machine gives to hold the promises with.

    Attributes:
        filtered: system calls are filtered.
        landlock: version of Landlock that is in force; 0 for none.
        own_user: the child has a user of its own.
    """

    filtered: bool
    landlock: int
    own_user: bool


def for_validation(settings: Settings, scratch_bytes: int | None = None) -> Sandbox:
    """Of a child that opens an upload that is not validated yet, and may unpack it to so many bytes."""
    limits = [most for most in (settings.validation_file_bytes or None, scratch_bytes) if most is not None]
    return Sandbox(
        memory_bytes=settings.validation_memory_bytes,
        cpu_seconds=settings.validation_cpu_seconds,
        file_bytes=max(min(limits, default=0), SMALLEST_FILE) if limits else 0,
        open_files=OPEN_FILES,
        programs=False,
        hidden=_hidden(settings),
        users=_users(settings),
    )


def for_computing(settings: Settings, device: str = "cpu") -> Sandbox:
    """Of a child that computes with what was validated: frameworks and drivers start programs and map a lot."""
    most = settings.child_memory_bytes or int(settings.child_memory_share * memory.machine_bytes())
    return Sandbox(
        memory_bytes=most,
        sockets=device != "cpu",
        hidden=_hidden(settings),
        lent=caches.folders(),
        users=_users(settings),
    )


def _hidden(settings: Settings) -> tuple[Path, ...]:
    """Where the service keeps its files."""
    storage, database = urlsplit(settings.storage), settings.database_url
    found = [settings.data_dir.resolve(), settings.scratch]
    if storage.scheme == "file":
        found.append(Path(unquote(storage.path)))
    if database.startswith("sqlite:///"):
        found.append(Path(database.removeprefix("sqlite:///")).resolve())
    return tuple(found)


def _users(settings: Settings) -> Path | None:
    return settings.data_dir.resolve() / "users" if users.is_root() else None


def environment(inherited: Mapping[str, str], sandbox: Sandbox, scratch: str) -> dict[str, str]:
    """A child's variables; ``scratch`` is its home, and where its temporary files go."""
    passed = {
        name: value for name, value in inherited.items() if PASSED_VARIABLES.fullmatch(name) and name not in PINNING
    }
    threads = {} if sandbox.programs else ONE_THREAD
    return {**passed, **threads, "OMP_WAIT_POLICY": "PASSIVE", "TMPDIR": scratch, "HOME": scratch}


def enter(request: Request) -> list[str]:
    """Apply limits and promises, while there is a single thread; returns those that this machine cannot give."""
    sandbox = request.sandbox
    os.umask(0o077)
    wanted = {
        "RLIMIT_CORE": 0,
        "RLIMIT_DATA": sandbox.memory_bytes or None,
        "RLIMIT_CPU": sandbox.cpu_seconds or None,
        "RLIMIT_FSIZE": sandbox.file_bytes or None,
        "RLIMIT_NOFILE": sandbox.open_files or None,
    }
    missing = [name for name, most in wanted.items() if most is not None and not _limit(name, most)]
    return [*missing, *not_held(_confine(request), sandbox)]


def _confine(request: Request) -> Means:
    sandbox, own = request.sandbox, Path.cwd()
    rules = _rules(request, own)
    prefixes = Path(sys.prefix), Path(sys.base_prefix)
    needed = (own, *prefixes, *request.task.reads, *request.task.writes, *sandbox.lent)
    own_user = sandbox.user is not None and users.become(sandbox.user, needed)
    hide_memory()  # after the change of the user, which may open it again
    in_force = rules.version if rules and _enforced(rules) else 0
    filtered = seccomp.confine(programs=sandbox.programs, sockets=sandbox.sockets)
    return Means(filtered=filtered, landlock=in_force, own_user=own_user)


def _rules(request: Request, own: Path) -> landlock.Ruleset | None:
    version = landlock.version()
    return landlock.Ruleset(version, files_for(request, own)) if version else None


def _enforced(rules: landlock.Ruleset) -> bool:
    if not seccomp.forgo_privileges():
        return False
    try:
        rules.enforce()
    except OSError:
        return False
    return True


def not_held(means: Means, sandbox: Sandbox) -> list[Promise]:
    """The promises that these means do not hold."""
    filtered, version, own = means.filtered, means.landlock, means.own_user
    held = {
        Promise.NETWORK: filtered,
        Promise.PROGRAMS: filtered or sandbox.programs,
        # Without Landlock a child of the same user could read processes that do not hide their memory.
        Promise.PROCESSES: own or (filtered and version > 0),
        Promise.SIGNALS: own or (filtered and not sandbox.programs) or version >= landlock.SCOPES,
        Promise.FILES: version > 0,
        Promise.WRITING: (own and version > 0) or (filtered and version >= landlock.TRUNCATES),
        Promise.SOCKETS: filtered and (own or not sandbox.sockets),
        Promise.ROOT: own or not users.is_root(),
    }
    return [promise for promise, is_held in held.items() if not is_held]


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
