"""Users of their own for children of a service that root has started."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import stat
import struct
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

USERS = range(61184, 65520)
"""The numbers that systemd keeps for users of this kind: no account has one, and containers have them, too."""

PR_SET_KEEPCAPS, PR_SET_SECUREBITS, PR_CAP_AMBIENT = 8, 28, 47
AMBIENT_RAISE = 2
SECBIT_NO_SETUID_FIXUP = 1 << 2
"""Capabilities stay as they were set when the user changes, and `os.access` counts them: libraries ask it first."""

CAPABILITIES_VERSION = 0x20080522
READING = (2, 1)
"""CAP_DAC_READ_SEARCH and, where root does not have it, as in most containers, CAP_DAC_OVERRIDE."""


class _Capabilities(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable"))


def is_root() -> bool:
    """Whether this process may become another user."""
    return sys.platform == "linux" and os.geteuid() == 0


@contextmanager
def own_user(locks: Path) -> Iterator[int | None]:
    """A user that no other child has while the block runs; None where this process is not root's.

    Args:
        locks: folder with a file for every user, locked while somebody has it; made if it is not there.

    Raises:
        OSError: all are taken.
    """
    if not is_root():
        yield None
        return
    locks.mkdir(mode=0o700, parents=True, exist_ok=True)
    busy = _users_of_processes()
    for user in USERS:
        with (locks / str(user)).open("ab") as file:
            if user not in busy and _lock(file.fileno()):
                yield user
                return
    raise OSError(f"every user from {USERS.start} to {USERS.stop - 1} computes already")


def give(folders: Sequence[Path], user: int) -> bool:
    """Make a user the owner of folders and what lies in them; False where this process may not.

    Links are not followed, and files with more than one name, which may lie elsewhere as well, keep their owner.
    """
    try:
        for folder in folders:
            for _root, _folders, files, descriptor in os.fwalk(folder, follow_symlinks=False):
                os.fchown(descriptor, user, user)
                for name in files:
                    found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                    if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
                        os.chown(name, user, user, dir_fd=descriptor, follow_symlinks=False)
    except OSError:
        return False
    return True


def become(user: int, needed: Sequence[Path]) -> bool:
    """Give up root for good: this user and group, no other groups, no capability; False where the kernel refuses.

    Only where a path that is ``needed`` is closed to the user, as below ``/root``, the capability to read such is kept.
    It opens no memory of other processes, and where there is Landlock no file that is not on its list.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    there = [path for path in needed if path.exists()]
    try:
        os.setgroups([])
        os.setresgid(user, user, user)
        libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
        libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
        os.setresuid(user, user, user)
    except OSError:
        return False
    kept = next((capability for capability in READING if _keep(libc, permitted=1 << capability)), None)
    if kept is None or all(os.access(path, os.R_OK) for path in there):
        return _keep(libc)
    is_kept = _keep(libc, effective=1 << kept, permitted=1 << kept, inheritable=1 << kept)
    libc.prctl(PR_CAP_AMBIENT, AMBIENT_RAISE, kept, 0, 0)  # programs that it starts, as compilers, work in its folders
    return is_kept


def _keep(libc: ctypes.CDLL, *, effective: int = 0, permitted: int = 0, inheritable: int = 0) -> bool:
    header = struct.pack("=Ii", CAPABILITIES_VERSION, 0)
    both = (_Capabilities * 2)(_Capabilities(effective, permitted, inheritable))
    return bool(libc.capset(header, both) == 0)


def _lock(descriptor: int) -> bool:
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _users_of_processes() -> set[int]:
    """Also of children whose worker was killed: nobody holds their lock any more."""
    found: set[int] = set()
    for path in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            line = next(line for line in path.read_text().splitlines() if line.startswith("Uid:"))
            found.update(map(int, line.split()[1:]))
    return found
