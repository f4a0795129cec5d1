"""The ``primesvt`` command."""

from __future__ import annotations

from primesvt_core.cli import app
from primesvt_core.console import run


def main() -> None:
    """Run the command line."""
    run(app, hint="; run the same command again with --resume to go on")
