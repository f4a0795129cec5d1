"""The folder of a run's results, before it runs and after it was refused."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from primesvt_client.errors import ReportedError
from primesvt_core.errors import SpecError
from primesvt_core.workspace import reuse
from primesvt_core.workspace.sources import WORKSPACE


def workspace_below(out_dir: Path, resume: bool) -> Path:
    """The workspace below the results; an older run's is not touched unless it is to be resumed.

    Raises:
        SpecError: if the folder is no place for results.
    """
    try:
        str(out_dir).encode()
    except UnicodeEncodeError:
        raise SpecError(f"the name {str(out_dir)!r} given for --out is no UTF-8; use another folder") from None
    if out_dir.exists() and not out_dir.is_dir():
        raise SpecError(f"{out_dir} is a file; --out takes a folder")
    if not resume and out_dir.exists() and any(out_dir.iterdir()):
        raise SpecError(
            f"{out_dir} is not empty; use another folder for --out, or --resume to go on with the run in it"
        )
    return out_dir / WORKSPACE


def cells_of(folders: Sequence[Path]) -> tuple[Path, ...]:
    """The files of cells in results folders of earlier runs.

    Raises:
        SpecError: if there are none.
    """
    for folder in folders:
        if not (folder / reuse.FILE).is_file():
            raise SpecError(f"{folder} given for --reuse has no {reuse.FILE}; give the --out folder of a finished run")
    return tuple(folder / reuse.FILE for folder in folders)


@contextmanager
def cleared_if_refused(workspace: Path, *, with_parent: bool, resume: bool) -> Iterator[None]:
    """Remove what a refused run left, unless it was to be resumed, so that the same folder does for the right input."""
    try:
        yield
    except ReportedError as error:
        if error.is_input and not resume:
            shutil.rmtree(workspace, ignore_errors=True)
            if with_parent:
                with suppress(OSError):  # not empty, or never made
                    workspace.parent.rmdir()
        raise
