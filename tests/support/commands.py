"""The `primesvt` command in this process: starting one each time would take most of the tests' time."""

from __future__ import annotations

import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from unittest.mock import patch

from primesvt_client.commands.main import main


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


def primesvt(*words: str | Path) -> Done:
    """Run a command to its end; a traceback fails the test."""
    out, err = StringIO(), StringIO()
    with patch.object(sys, "argv", ["primesvt", *map(str, words)]), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            status = 0 if end.code is None else int(end.code)
        else:
            status = 0
    return Done(status, out.getvalue(), err.getvalue())
