"""A system call filter (seccomp) that a process puts on itself: no network, no programs, no reach into others.

The kernel refuses the calls with ``EPERM`` from then on, in this process and in what it starts; the filter cannot be
taken off. It needs no privilege, and works inside containers.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from errno import ENOSYS, EPERM

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 22, 38
SECCOMP_MODE_FILTER = 2
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050000, 0x80000000

LOAD, EQUAL, ANY_BIT, AT_LEAST, RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
NUMBER, MACHINE, FIRST_ARGUMENT = 0, 4, 16
"""Where ``struct seccomp_data`` has the call, the machine, and the lower half of the call's first argument."""

X32 = 0x40000000
"""Numbers from here on are x86-64's calls under other names."""

CLONE_THREAD = 0x10000
CLONE_NEW_NAMESPACES = 0x7E020000
AF_UNIX, AF_NETLINK = 1, 16
LOWER_HALF = 0xFFFFFFFF
STEP_BYTES = 8


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The identity of a processor architecture, and the numbers of its calls (``asm/unistd.h``)."""

    audit: int
    socket: int
    clone: int
    clone3: int
    kill: int
    tgkill: int
    of_process: tuple[int, ...]  # prlimit64, sched_setaffinity, sched_setscheduler, sched_setparam, sched_setattr
    attributes: tuple[int, ...]  # chmod, chown, utime and setxattr, all their forms; watches of inotify and fanotify
    programs: tuple[int, ...]  # execve, execveat, fork, vfork
    never: tuple[int, ...]


MACHINES: Mapping[str, Machine] = {
    "x86_64": Machine(
        audit=0xC000003E, socket=41, clone=56, clone3=435, kill=62, tgkill=234,
        of_process=(302, 203, 144, 142, 314),
        attributes=(90, 91, 268, 452, 92, 93, 94, 260, 132, 235, 261, 280, 188, 189, 190, 197, 198, 199, 463, 466, 469,
                    254, 301),
        programs=(59, 322, 57, 58),
        # ptrace, process_vm_readv, process_vm_writev, pidfd_open, pidfd_getfd, pidfd_send_signal, tkill,
        # rt_sigqueueinfo, rt_tgsigqueueinfo, io_uring_setup, bpf, perf_event_open, userfaultfd, add_key, request_key,
        # keyctl, unshare, setns, mount, umount2, pivot_root, chroot, open_by_handle_at, setpriority, ioprio_set,
        # migrate_pages, move_pages, kcmp, process_madvise, process_mrelease, setsid, setpgid, open_tree, move_mount,
        # fsopen, fsconfig, fsmount, fspick, mount_setattr
        never=(101, 310, 311, 434, 438, 424, 200, 129, 297, 425, 321, 298, 323, 248, 249, 250, 272, 308, 165, 166, 155,
               161, 304, 141, 251, 256, 279, 312, 440, 448, 112, 109, 428, 429, 430, 431, 432, 433, 442),
    ),
    "aarch64": Machine(
        audit=0xC00000B7, socket=198, clone=220, clone3=435, kill=129, tgkill=131,
        of_process=(261, 122, 119, 118, 274),
        attributes=(52, 53, 452, 54, 55, 88, 5, 6, 7, 14, 15, 16, 463, 466, 469, 27, 263),
        programs=(221, 281),
        never=(117, 270, 271, 434, 438, 424, 130, 138, 240, 425, 280, 241, 282, 217, 218, 219, 97, 268, 40, 39, 41, 51,
               265, 140, 30, 238, 239, 272, 440, 448, 157, 154, 428, 429, 430, 431, 432, 433, 442),
    ),
}  # fmt: skip


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def confine(*, programs: bool, sockets: bool = False) -> bool:
    """Filter this process's calls; only while it has a single thread. False where the kernel or processor cannot.

    Args:
        programs: whether it may start programs.
        sockets: whether it may use sockets of this machine, as drivers of GPUs do.
    """
    machine = MACHINES.get(platform.machine())
    if sys.platform != "linux" or machine is None:
        return False
    code = b"".join(_filter(machine, programs=programs, sockets=sockets))
    program = _Program(len(code) // STEP_BYTES, code)
    return forgo_privileges() and _prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(program))


def forgo_privileges() -> bool:
    """No program that this process starts gets more rights than it has itself; False where the kernel cannot."""
    return sys.platform == "linux" and _prctl(PR_SET_NO_NEW_PRIVS, 1)


def _prctl(option: int, *arguments: int) -> bool:
    call = ctypes.CDLL(None).prctl
    call.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)
    return bool(call(option, *arguments, *[0] * (4 - len(arguments))) == 0)


def _filter(machine: Machine, *, programs: bool, sockets: bool) -> Iterator[bytes]:
    """The instructions, in the kernel's order of questions."""
    yield from (_step(LOAD, MACHINE), _step(EQUAL, machine.audit, met=1), _step(RETURN, KILL))
    yield from (_step(LOAD, NUMBER), _step(AT_LEAST, X32, unmet=1), _step(RETURN, REFUSE | EPERM))
    # Landlock leaves the attributes of files to their owner, who may be this process's user.
    for number in (*machine.never, *machine.attributes, *(() if programs else machine.programs)):
        yield from (_step(EQUAL, number, unmet=1), _step(RETURN, REFUSE | EPERM))
    yield from _unless(machine.socket, (AF_UNIX, AF_NETLINK) if sockets else ())
    for number in machine.of_process:  # its own limits and processors alone
        yield from _unless(number, (0, os.getpid()))
    # The flags of clone3 lie in memory, where a filter cannot look; the C library then falls back to clone.
    yield from (_step(EQUAL, machine.clone3, unmet=1), _step(RETURN, REFUSE | ENOSYS))
    if programs:
        yield from _clone(machine, CLONE_NEW_NAMESPACES, met=REFUSE | EPERM, unmet=ALLOW)
    else:
        # Signals for itself and its own group: neither for the worker nor for the children beside it.
        yield from _unless(machine.kill, (os.getpid(), -os.getpgrp() & LOWER_HALF, 0))
        yield from _unless(machine.tgkill, (os.getpid(),))
        yield from _clone(machine, CLONE_THREAD, met=ALLOW, unmet=REFUSE | EPERM)
    yield _step(RETURN, ALLOW)


def _clone(machine: Machine, flags: int, *, met: int, unmet: int) -> Iterator[bytes]:
    """What becomes of a new thread or process with any of these flags, and without them."""
    yield from (_step(EQUAL, machine.clone, unmet=4), _step(LOAD, FIRST_ARGUMENT))
    yield from (_step(ANY_BIT, flags, unmet=1), _step(RETURN, met), _step(RETURN, unmet))


def _unless(number: int, first_arguments: tuple[int, ...]) -> Iterator[bytes]:
    """Refuse a call unless its first argument is one of these."""
    count = len(first_arguments)
    yield _step(EQUAL, number, unmet=3 + count)
    yield _step(LOAD, FIRST_ARGUMENT)
    for place, value in enumerate(first_arguments):
        yield _step(EQUAL, value, met=count - place)
    yield _step(RETURN, REFUSE | EPERM)
    yield _step(RETURN, ALLOW)


def _step(code: int, value: int, *, met: int = 0, unmet: int = 0) -> bytes:
    """One ``struct sock_filter``: what to do, and how many steps to leave out when a question is met or not."""
    return struct.pack("=HBBI", code, met, unmet, value)
