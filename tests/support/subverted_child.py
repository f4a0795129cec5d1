"""A child whose code an upload has taken over: the real `worker.child`, which tries what nobody has allowed it.

Its input says whom to attack. It answers with the outcome of every attempt: ``done``, or the error that it met.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from primesvt_client.facts import DataSetFacts
from worker import child, landlock, sandbox, seccomp
from worker.protocol import CompressRequest, NextBatchMessage, Result, Task, ValidateData

DONE = "done"
PTRACE_SEIZE = 0x4206
Attempt = tuple[str, str, Callable[[], object]]
"""The promise that it would break, its name, and the attempt."""


def read(path: str) -> None:
    Path(path).read_bytes()


def read_by_program(path: str) -> None:
    if subprocess.run(["cat", path], capture_output=True, check=False).returncode:
        raise PermissionError


def overwrite(path: str) -> None:
    with Path(path).open("r+b"):
        pass


def truncate(path: str) -> None:
    os.truncate(path, Path(path).stat().st_size)


def change_mode(path: str) -> None:
    Path(path).chmod(0o600)


def change_times(path: str) -> None:
    os.utime(path)


def create(folder: str) -> None:
    path = Path(folder, "planted")
    path.write_bytes(b"x")
    path.unlink()


def link(path: str) -> None:
    """A second name for a file of others, in the folder that the worker reads."""
    Path("link").hardlink_to(path)


def symlink(path: str) -> None:
    Path("symlink").symlink_to(path)


def attach(process: int) -> None:
    _call("ptrace", PTRACE_SEIZE, process, 0, 0)


def read_memory(process: int) -> None:
    class Part(ctypes.Structure):
        _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))

    room = ctypes.create_string_buffer(8)
    parts = Part(ctypes.addressof(room), 8), Part(1, 8)
    try:
        _call("process_vm_readv", process, ctypes.byref(parts[0]), 1, ctypes.byref(parts[1]), 1, 0)
    except OSError as error:
        if error.errno != errno.EFAULT:  # that is: allowed, but there is nothing at that place
            raise


def limit(process: int) -> None:
    resource.prlimit(process, resource.RLIMIT_CORE, (0, 0))


def renice(process: int) -> None:
    os.setpriority(os.PRIO_PROCESS, process, 19)


def pin(process: int) -> None:
    os.sched_setaffinity(process, os.sched_getaffinity(0))


def reach(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)


def regain_root() -> None:
    """A capability beyond reading would be root's, too."""
    os.setuid(0)


def identity() -> dict[str, Any]:
    """Who the process is, as the kernel says."""
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    return {
        "users": sorted({*map(int, status["Uid"].split()), *map(int, status["Gid"].split())}),
        "groups": os.getgroups(),
        "capabilities": int(status["CapEff"], 16) | int(status["CapPrm"], 16) | int(status["CapInh"], 16),
        "no_new_privileges": int(status["NoNewPrivs"]),
        "environment": sorted(os.environ),
    }


def attempts(targets: dict[str, Any]) -> Iterator[Attempt]:
    """All of them."""
    for path in targets["files"]:
        for promise, act in (
            ("files", read), ("files", read_by_program), ("writing", overwrite), ("writing", truncate),
            ("writing", change_mode), ("writing", change_times), ("writing", link),
        ):  # fmt: skip
            yield promise, f"{act.__name__} {path}", partial(act, path)
    yield "writing", "symlink", partial(symlink, targets["files"][0])
    for folder in targets["folders"]:
        yield "files", f"list {folder}", partial(os.listdir, folder)
    for folder in [*targets["folders"], *targets["closed"]]:
        yield "writing", f"create in {folder}", partial(create, folder)
    for process in targets["processes"]:
        for name in ("environ", "mem", "maps"):
            yield "processes", f"read {name} of {process}", partial(read_start, f"/proc/{process}/{name}")
        yield "files", f"list files of {process}", partial(os.listdir, f"/proc/{process}/fd")
        yield "files", f"read through {process}", partial(read, f"/proc/{process}/root{targets['files'][0]}")
        for other in (attach, read_memory, limit, renice, pin):
            yield "processes", f"{other.__name__} {process}", partial(other, process)
        yield "signals", f"signal {process}", partial(os.kill, process, 0)
    yield "sockets", "reach", partial(reach, targets["socket"])
    yield "root", "regain root", regain_root


def read_start(path: str) -> None:
    """Memory is mapped nowhere in particular; who may open it may read it."""
    with Path(path).open("rb") as file:
        if not path.endswith("mem"):
            file.read(1)


def outcome(act: Callable[[], object]) -> str:
    try:
        act()
    except OSError as error:
        return type(error).__name__
    return DONE


def carry_out(task: Task, channel: child.Channel) -> Result:
    is_computing = isinstance(task, CompressRequest)
    assert isinstance(task, CompressRequest | ValidateData)
    own = task.checkpoint if isinstance(task, CompressRequest) else task.path
    targets = json.loads(own.read_bytes())
    if not targets:  # the neighbour, at work for another team
        channel.send(NextBatchMessage())
        time.sleep(600)
    tried = {f"{promise}: {name}": outcome(act) for promise, name, act in attempts(targets)}
    honest = [outcome(partial(create, str(folder))) for folder in (Path.cwd(), *task.writes)]
    if is_computing:
        honest.append(outcome(partial(read_by_program, str(own))))
    found = {"tried": tried, "honest": honest, "identity": identity(), "computing": is_computing}
    return DataSetFacts.model_validate({"samples": 0, "attempt": found})


def _call(name: str, *arguments: Any) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)


if __name__ == "__main__":
    child.carry_out = carry_out
    if "PYTHON_UNCONFINED" in os.environ:  # what the attempts come to without a sandbox
        sandbox.enter = lambda request: []
    if "PYTHON_NO_LANDLOCK" in os.environ:
        landlock.version = lambda: 0
    if "PYTHON_UNKNOWN_MACHINE" in os.environ:
        seccomp.MACHINES = {}
    sys.exit(child.main())
