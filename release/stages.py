"""What the check shows: what it is at, and how long that took."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

LAST_CHARACTERS = 4000
SECONDS = 600


class ReleaseError(Exception):
    """What is built here cannot be released; the message says why."""


@contextmanager
def stage(title: str) -> Iterator[None]:
    """One part of the check, shown with its time."""
    say(f"{title} ... ", end="")
    began = time.monotonic()
    yield
    say(f"{time.monotonic() - began:.1f} s")


def say(text: str, end: str = "\n") -> None:
    """Show a text at once, also where output is piped."""
    sys.stdout.write(text + end)
    sys.stdout.flush()


def need(condition: object, message: str) -> None:
    """Stop unless something holds.

    Raises:
        ReleaseError: it does not.
    """
    if not condition:
        raise ReleaseError(message)


def attempt(
    command: Sequence[str | Path], folder: Path, changes: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, whatever that is, without the variables of this process's own environment."""
    return subprocess.run(  # noqa: S603  # commands of our own
        [*map(str, command)], cwd=folder, env=environment(changes), capture_output=True, text=True, timeout=SECONDS,
        check=False,
    )  # fmt: skip


def call(command: Sequence[str | Path], folder: Path, changes: Mapping[str, str] | None = None) -> str:
    """What a command writes to standard output.

    Raises:
        ReleaseError: it fails.
    """
    done = attempt(command, folder, changes)
    words = " ".join(map(str, command))
    need(done.returncode == 0, f"`{words}` failed:\n{(done.stdout + done.stderr)[-LAST_CHARACTERS:]}")
    return done.stdout


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """Variables for a command that must find nothing of the clone that starts it."""
    left = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    mine = {name: value for name, value in os.environ.items() if name not in left and not name.startswith("PRIMESVT_")}
    return mine | dict(changes or {})
