"""Landlock: a process gives up all files but those that it names, for good, in itself and in what it starts.

It needs no privilege and works inside containers, from Linux 5.19 on. Later kernels refuse more: truncating (6.2),
commands to devices (6.10), signals to and abstract sockets of processes outside (6.12).
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
"""Numbers of the system calls, the same on every processor."""

ASK_VERSION, PATH_BENEATH = 1, 1

MOVES, TRUNCATES, DEVICES, SCOPES = 2, 3, 5, 6
"""Versions of the interface from which files may be moved between folders, and from which the kernel refuses
truncating, commands to devices, and signals and abstract sockets.
"""

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = (1 << bit for bit in range(6))
MAKE_DIR, MAKE_REG, MAKE_FIFO, REFER, TRUNCATE, IOCTL_DEV = (1 << bit for bit in (7, 8, 10, 13, 14, 15))

RIGHTS: Mapping[int, int] = {1: (1 << 13) - 1, MOVES: REFER, TRUNCATES: TRUNCATE, DEVICES: IOCTL_DEV}
"""Rights that the kernel refuses where no rule grants them, by the version that brought them."""

OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
"""Rights that a rule for a single file can grant."""

READING = EXECUTE | READ_FILE | READ_DIR
COMMANDING = READ_FILE | READ_DIR | WRITE_FILE | IOCTL_DEV
WRITING = (
    READ_FILE | READ_DIR | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | MAKE_FIFO | REFER | TRUNCATE
)
"""Everything but programs, devices, sockets and links: who reads the folder afterwards is led nowhere else."""

SIGNALS_AND_ABSTRACT_SOCKETS = 3


@dataclass(frozen=True, kw_only=True)
class Files:
    """Files and folders, with all that lies in them; what does not exist is left out."""

    readable: Sequence[Path]
    devices: Sequence[Path] = ()
    writable: Sequence[Path] = ()


class Ruleset:
    """Rules that were gathered while the process could still reach the paths, and are not in force yet."""

    def __init__(self, version: int, files: Files) -> None:
        self.version = version
        self.handled = _refused_by(version)
        self._held: list[int] = []
        scopes = SIGNALS_AND_ABSTRACT_SOCKETS if version >= SCOPES else 0
        fields = struct.pack("=QQQ", self.handled, 0, scopes)[: 8 if version < 4 else 16 if version < SCOPES else 24]
        self._descriptor = _call(CREATE_RULESET, fields, len(fields), 0)
        for paths, rights in ((files.readable, READING), (files.devices, COMMANDING), (files.writable, WRITING)):
            for path in paths:
                with suppress(FileNotFoundError, NotADirectoryError):
                    self._grant(path, rights)

    def _grant(self, path: Path, rights: int) -> None:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        # Never closed: /proc makes its folders anew once nobody holds them, and the rule would be of the old one.
        self._held.append(descriptor)
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        granted = rights & self.handled & (-1 if is_folder else OF_FILES)
        rule = struct.pack("=Qi", granted, descriptor)
        _call(ADD_RULE, self._descriptor, PATH_BENEATH, rule, 0)

    def enforce(self) -> None:
        """From now on; the process must have a single thread, and ``no_new_privs``.

        Raises:
            OSError: the kernel refuses.
        """
        _call(RESTRICT_SELF, self._descriptor, 0)
        os.close(self._descriptor)


def version() -> int:
    """The kernel's version of the interface; 0 where it has none, or one that cannot move files between folders."""
    if sys.platform != "linux":
        return 0
    try:
        found = _call(CREATE_RULESET, None, 0, ASK_VERSION)
    except OSError:
        return 0
    return found if found >= MOVES else 0


def _refused_by(version: int) -> int:
    return sum(rights for since, rights in RIGHTS.items() if since <= version)


def _call(number: int, *arguments: bytes | int | None) -> int:
    """A system call.

    Raises:
        OSError: it fails.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    given = [ctypes.c_long(value) if isinstance(value, int) else ctypes.c_char_p(value) for value in arguments]
    answer = int(libc.syscall(ctypes.c_long(number), *given))
    if answer < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), "landlock")
    return answer
