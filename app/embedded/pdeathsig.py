"""Becomes another program, which is sent SIGTERM when its parent is killed: ``python pdeathsig.py PARENT PROGRAM …``.

Run by its path, so that it starts quickly. Only Linux has such a signal (``PR_SET_PDEATHSIG``); elsewhere the program
is just started.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    """Ask for the signal and become the program."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it was killed before the signal was asked for
            sys.exit(1)
    os.execv(command[0], command)  # noqa: S606  # our own programs


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
