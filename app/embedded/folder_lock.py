"""One service uses a data folder at a time; whoever reads the folder finds where it listens."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from primesvt_client.errors import ReportedError

LOCK = "lock"
PAUSES = (0.0, 0.05, 0.1)
"""Seconds before each attempt: who reads the address holds the lock for a moment."""


class EmbeddedError(ReportedError):
    """The service cannot be started; the message says why and what to do.

    ``is_input`` says whether what was asked for is wrong (an address that is taken), rather than the machine.
    """

    def __init__(self, code: str, message: str, *, is_input: bool = False) -> None:
        super().__init__(message, code=code)
        self.is_input = is_input


@contextmanager
def locked(data_dir: Path) -> Iterator[Callable[[str], None]]:
    """Hold the folder until the block ends, which gets a function that notes where the service listens.

    Raises:
        EmbeddedError: another service uses the folder.
    """
    with open(data_dir / LOCK, "a+", encoding="utf-8", opener=_private) as file:  # Path.open takes no opener
        if not any(_is_mine(file, pause) for pause in PAUSES):
            raise EmbeddedError(
                "data_dir_in_use",
                f"another PrimeSVT service uses {data_dir}; stop it, or choose another folder with --data-dir",
                is_input=True,
            )
        file.truncate(0)

        def note(address: str) -> None:
            file.write(address)
            file.flush()

        yield note


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _is_mine(file: IO[str], pause: float) -> bool:
    time.sleep(pause)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def address_of(data_dir: Path) -> str | None:
    """Where the service that uses a folder listens; None where none does on this machine."""
    try:
        with (data_dir / LOCK).open(encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:  # somebody holds it
                return file.read() or None
    except OSError:
        pass
    return None
