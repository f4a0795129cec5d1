"""How fast `primesvt` begins: what it answers itself needs nothing that computes or serves."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from primesvt_client.version import __version__
from tests.support.commands import primesvt

CODE = """
import json, sys
from primesvt_client.commands.main import main
try:
    main()
except SystemExit as end:
    assert not end.code
sys.stderr.write(json.dumps([*sys.modules]))
"""
HEAVY = {"torch", "numpy", "scipy", "matplotlib", "spikingjelly", "sqlalchemy", "alembic", "fastapi", "boto3", "httpx"}


def loaded(*words: str) -> tuple[str, set[str]]:
    """What a command prints, and the modules in its process."""
    done = subprocess.run([sys.executable, "-c", CODE, *words], capture_output=True, text=True, check=True)
    return done.stdout, set(json.loads(done.stderr))


def test_help_loads_nothing_that_computes_or_serves() -> None:
    told, modules = loaded("--help")
    assert {"compress", "submit", "serve", "webhooks"} <= set(told.split())
    assert modules & HEAVY == set()


@pytest.mark.parametrize("command", ["compress", "submit", "serve", "teams"])
def test_help_of_a_command_does_neither(command: str) -> None:
    assert loaded(command, "--help")[1] & HEAVY == set()


def test_the_version_loads_not_even_the_console() -> None:
    told, modules = loaded("--version")
    assert told == f"primesvt {__version__}\n"
    assert modules & (HEAVY | {"typer", "rich", "pydantic"}) == set()


def test_the_version_is_an_option_among_others_too() -> None:
    assert primesvt("--version", "submit").stdout.strip() == f"primesvt {__version__}"


def test_help_is_grouped_by_what_is_installed() -> None:
    told = primesvt("--help").stdout
    places = [told.index(panel) for panel in ("On this machine", "On a server", "Run a server")]
    assert places == sorted(places)
    assert told.index("compress") < places[1] < told.index("submit") < places[2] < told.index("serve ")


def test_a_shell_completes_commands_and_options() -> None:
    def completed(line: str) -> set[str]:
        variables = {
            "_PRIMESVT_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(line.split()) - 1),
        }
        code = "import sys; sys.argv = ['primesvt']; from primesvt_client.commands.main import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ, **variables}
        )
        return set(done.stdout.split())

    assert "compress" in completed("primesvt comp")
    assert "--max-accuracy-drop" in completed("primesvt compress --max-acc")
