"""A child that tries what its sandbox should not let it: the real `worker.child`, with an attempt for a task."""

from __future__ import annotations

import ctypes
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from pydantic import JsonValue

from primesvt_client.facts import DataSetFacts
from primesvt_core.errors import DataError
from worker import child, seccomp
from worker.protocol import Result, Task, ValidateData

PR_GET_NO_NEW_PRIVS = 39
ENTERED_NAMESPACE = 0x10000000


def connect(target: str) -> JsonValue:
    """To an address of this machine that listens."""
    with socket.create_connection(("127.0.0.1", int(target)), 5):
        return "connected"


def allocate(target: str) -> JsonValue:
    """So many bytes, every page of them written to."""
    return len(bytearray(b"x") * int(target))


def spin(_target: str) -> JsonValue:
    while True:
        pass


def write(target: str) -> JsonValue:
    """A file with so many bytes."""
    with Path("large").open("wb") as file:
        for _ in range(int(target) >> 20):
            file.write(bytes(1 << 20))
    return "written"


def hold(target: str) -> JsonValue:
    """So many files open."""
    held = [Path(os.devnull).open() for _ in range(int(target))]  # noqa: SIM115
    return len(held)


def look_around(_target: str) -> JsonValue:
    """What the process can see."""
    return {
        "environment": dict(os.environ),
        "folder": os.getcwd(),  # noqa: PTH109
        "files": sorted(os.listdir()),  # noqa: PTH208
        "core_bytes": resource.getrlimit(resource.RLIMIT_CORE)[0],
        "no_new_privileges": ctypes.CDLL(None).prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
    }


def start(_target: str) -> JsonValue:
    return subprocess.run(["true"], check=True).returncode


def fork(_target: str) -> JsonValue:
    if os.fork() == 0:
        os._exit(0)
    return "forked"


def signal_other(target: str) -> JsonValue:
    os.kill(int(target), 0)
    return "signalled"


def read_other(target: str) -> JsonValue:
    """Attach to another process as a debugger does."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(16, int(target), 0, 0):
        raise OSError(ctypes.get_errno(), "ptrace")
    return "attached"


def enter_namespace(_target: str) -> JsonValue:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(ENTERED_NAMESPACE):
        raise OSError(ctypes.get_errno(), "unshare")
    return "entered"


def use_threads(_target: str) -> JsonValue:
    """What honest work needs: arrays, threads, temporary files, its own group."""
    import tempfile
    import threading

    import numpy as np

    done: list[float] = []
    thread = threading.Thread(target=lambda: done.append(float(np.ones((64, 64)).dot(np.ones(64)).sum())))
    thread.start()
    thread.join()
    with tempfile.TemporaryFile() as file:
        file.write(b"x")
    return done[0]


def babble(_target: str) -> JsonValue:
    """A line without an end."""
    return "x" * (64 << 20)


ATTEMPTS: dict[str, Callable[[str], JsonValue]] = {
    attempt.__name__: attempt
    for attempt in (
        connect, allocate, spin, write, hold, look_around, start, fork, signal_other, read_other, enter_namespace,
        use_threads, babble,
    )
}  # fmt: skip


def carry_out(task: Task, channel: child.Channel) -> Result:
    """The attempt that the task's path names: ``<attempt>:<target>``."""
    assert isinstance(task, ValidateData)
    name, _, target = task.path.name.partition(":")
    try:
        return DataSetFacts.model_validate({"samples": 0, "attempt": ATTEMPTS[name](target)})
    except OSError as error:
        raise DataError(f"{type(error).__name__} {error.errno}", code="refused_by_kernel") from None


if __name__ == "__main__":
    child.carry_out = carry_out
    if "PYTHON_UNKNOWN_MACHINE" in os.environ:  # a processor that has no filter of ours
        seccomp.MACHINES = {}
    sys.exit(child.main())
