"""Where ``primesvt`` begins: ``--version`` answers before anything is imported that draws, reads or connects."""

from __future__ import annotations

import sys

from primesvt_client.version import __version__


def main() -> None:
    """Run the command line."""
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"primesvt {__version__}\n")
        return
    from primesvt_client.commands.command_line import command_line
    from primesvt_client.console import run

    run(command_line(sys.argv[1:2]))
