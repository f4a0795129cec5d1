"""Files that libraries write of tensors: whole or not at all, and with one name for what may go wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from primesvt_core.workspace import whole_file


@contextmanager
def tensor_file(path: Path) -> Iterator[Path]:
    """Where to have a file of tensors written so that it is at ``path`` either whole or not at all.

    Raises:
        OSError: it cannot be written, which safetensors and torch have names of their own for.
    """
    with whole_file(path) as temporary:
        try:
            yield temporary
        except (SafetensorError, RuntimeError) as error:
            raise OSError(f"{path} cannot be written: {str(error).splitlines()[0]}") from error
