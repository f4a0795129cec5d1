"""Processes that are kept running, and are gone when their supervisor is."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from app.settings import PRIVATE_UMASK

log = logging.getLogger(__name__)

PDEATHSIG = Path(__file__).with_name("pdeathsig.py")
LONGEST_LOG = 10 << 20
"""Bytes; then a new log is begun."""

LOGS_KEPT = 5
"""Older logs of a program."""

LONGEST_PAUSE = 30.0
STEADY_SECONDS = 60.0
"""A process that ran this long is started again at once."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """How to start one process, and how long it may take to stop."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    log: Path
    grace_seconds: float
    inherited: tuple[int, ...] = ()


def rotate(path: Path) -> None:
    """Keep a log short: what is in it moves to ``….1``, what is there to ``….2``, and so on.

    The program keeps the file open, and appends to it: the content is copied, and the file emptied. What is written
    between the two is lost.
    """
    if not path.exists() or path.stat().st_size < LONGEST_LOG:
        return
    kept = [path.with_name(f"{path.name}.{number}") for number in range(1, LOGS_KEPT + 1)]
    try:
        for newer, older in reversed([*pairwise(kept)]):
            if newer.exists():
                newer.replace(older)
        shutil.copyfile(path, kept[0])
        kept[0].chmod(path.stat().st_mode & 0o777)
    except OSError as error:  # a full disk is the reason to keep the log short all the same
        log.warning("log_not_kept", extra={"log": str(path), "reason": str(error)})
    os.truncate(path, 0)


class Supervisor:
    """One program that is started again whenever it ends."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.failures = 0
        self.process = self._start()

    def check(self) -> None:
        """Start the program again if it has ended, later each time; begin a new log if the old one is long."""
        rotate(self.program.log)
        if self.process.poll() is None:
            return
        ran_seconds = time.monotonic() - self.started_at
        self.failures = 1 if ran_seconds > STEADY_SECONDS else self.failures
        if ran_seconds < min(LONGEST_PAUSE, 2.0**self.failures - 1):
            return
        self.failures += 1
        fields = {"part": self.program.name, "status": self.process.returncode, "log": str(self.program.log)}
        log.warning("part_ended", extra=fields)
        self.process = self._start()

    def ask_to_stop(self) -> None:
        """Ask once; `stop` waits."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """Wait for the end, and make it one if it takes too long."""
        self.ask_to_stop()
        try:
            self.process.wait(self.program.grace_seconds)
        except subprocess.TimeoutExpired:
            log.warning("part_killed", extra={"part": self.program.name})
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        self.started_at = time.monotonic()
        self.program.log.parent.mkdir(parents=True, exist_ok=True)
        with open(self.program.log, "ab", opener=_private) as output:  # Path.open takes no opener
            return subprocess.Popen(  # noqa: S603  # our own programs
                [sys.executable, "-I", str(PDEATHSIG), str(os.getpid()), *self.program.command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(self.program.env),
                start_new_session=True,  # Ctrl-C reaches the supervisor alone, which stops its parts in order
                pass_fds=self.program.inherited,
                umask=PRIVATE_UMASK,  # of the parts alone: who runs a demonstration keeps their own for its results
            )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
