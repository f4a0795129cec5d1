"""The ``primesvt`` command. A command of the library runs without the service, which takes longer to import than
`inspect` takes to read a checkpoint.
"""

from __future__ import annotations

import sys
from importlib import import_module

from primesvt_core import cli as library
from primesvt_core.console import run


def main() -> None:
    """Run the command line."""
    own = {command.name or getattr(command.callback, "__name__", "") for command in library.app.registered_commands}
    run(library.app if {*sys.argv[1:2]} & own else import_module("app.commands.whole").main)
