"""What a process of the service does at its start against processes of the same user beside it."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable, MutableMapping

PR_SET_DUMPABLE = 4

SECRETS = (
    "PRIMESVT_DATABASE_URL", "PRIMESVT_BROKER_URL", "PRIMESVT_STORAGE_URL", "PRIMESVT_OIDC_CLIENT_SECRET",
    "PRIMESVT_API_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PGPASSWORD",
)  # fmt: skip
"""Variables that hold, or may hold, a password or key."""


def hide_memory() -> bool:
    """Close this process's memory, environment and open files to others of its user; False where the kernel cannot.

    ``/proc/PID/mem``, ``/proc/PID/environ``, ``ptrace`` and ``process_vm_readv`` are open to root alone from then on. A
    program that this process starts has to do it again.
    """
    if sys.platform != "linux":
        return False
    call = ctypes.CDLL(None).prctl
    call.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)
    return bool(call(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0)


def forget(environment: MutableMapping[str, str], names: Iterable[str] = SECRETS) -> None:
    """Remove variables from this process's environment, and their values from its memory.

    Args:
        environment: ``os.environ``.
        names: of the variables.
    """
    value_of = ctypes.CDLL(None).getenv
    value_of.argtypes, value_of.restype = (ctypes.c_char_p,), ctypes.c_void_p
    for name in names:
        address = value_of(os.fsencode(name))
        if address:  # /proc/PID/environ shows what lies where the process found its variables
            ctypes.memset(address, 0, len(ctypes.string_at(address)))
        environment.pop(name, None)
