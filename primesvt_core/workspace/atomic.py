"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Where to write a file so that it is at ``path`` either whole or not at all."""
    temporary = path.with_name(path.name + ".part")
    try:
        yield temporary
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that it is either there whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def tensor_file(path: Path) -> Iterator[Path]:
    """Where to have a file of tensors written so that it is at ``path`` either whole or not at all.

    Raises:
        OSError: it cannot be written, which safetensors and torch have names of their own for.
    """
    with whole_file(path) as temporary:
        temporary.unlink(missing_ok=True)
        temporary.touch()
        mode = temporary.stat().st_mode  # as the umask has it; safetensors replaces the file by one for its owner alone
        try:
            yield temporary
        except (SafetensorError, RuntimeError) as error:
            raise OSError(f"{path} cannot be written: {str(error).splitlines()[0]}") from error
        if temporary.stat().st_mode != mode:  # a process that may change no modes makes files for itself alone anyway
            temporary.chmod(mode)
