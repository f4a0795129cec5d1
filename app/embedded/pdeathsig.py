"""Turns into another program that is told to stop when its parent is killed: ``python pdeathsig.py PARENT PROGRAM …``.

Run by its path, so that it starts quickly. Only Linux knows how to tie a process to its parent; elsewhere it is just
started.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    """Tie this process to its parent and become the program."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it was killed before it could be tied to
            sys.exit(1)
    os.execv(command[0], command)  # noqa: S606  # our own programs


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
