"""A clean environment for a wheel, and the commands in it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from release.stages import call, environment, need

PRESENT = "import importlib.util as u, json, sys; print(json.dumps([m for m in sys.argv[1:] if u.find_spec(m)]))"
COMMANDS = """
import importlib.metadata, json
print(json.dumps([entry.name for entry in importlib.metadata.entry_points(group="primesvt.commands")]))
"""


@dataclass(frozen=True)
class Environment:
    """A virtual environment; its commands run in ``folder``, outside of any clone."""

    home: Path
    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def command(self) -> Path:
        """The installed command."""
        return self.home / "bin" / "primesvt"

    def primesvt(self, *words: str | Path) -> str:
        """What the command prints.

        Raises:
            ReleaseError: it fails.
        """
        return call((self.command, *words), self.folder, self.variables)

    def document(self, *words: str | Path) -> Any:
        """What the command prints with ``--json``."""
        return json.loads(self.primesvt(*words, "--json"))

    def start(self, *words: str | Path) -> subprocess.Popen[str]:
        """The command as a process that goes on."""
        return subprocess.Popen(  # noqa: S603  # a command of our own
            [str(self.command), *map(str, words)], cwd=self.folder, env=environment(self.variables),
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def commands(self) -> frozenset[str]:
        """Names of the commands that are installed."""
        return frozenset(self._answer(COMMANDS))

    def has(self, modules: Iterable[str]) -> Sequence[str]:
        """Those of the modules that can be imported."""
        return self._answer(PRESENT, *modules)

    def _answer(self, code: str, *words: str) -> list[str]:
        found: list[str] = json.loads(call((self.home / "bin" / "python", "-c", code, *words), self.folder))
        return found


def install(home: Path, folder: Path, wheels: Iterable[Path], constraints: Path) -> Environment:
    """An environment with wheels and what they depend on, at the pinned versions."""
    call((sys.executable, "-m", "venv", home), folder)
    pip = (home / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile")
    call((*pip, "-c", constraints, *wheels), folder)
    return Environment(home, folder)


def check_commands(place: Environment, version: str, commands: Iterable[str], absent: Iterable[str]) -> None:
    """The version, the commands that it has, and those that it must not have.

    Raises:
        ReleaseError: something is otherwise.
    """
    told = place.primesvt("--version").strip()
    need(told == f"primesvt {version}", f"`primesvt --version` says {told!r}, not {version}")
    there = place.commands()
    missing, beyond = sorted({*commands} - there), sorted({*absent} & there)
    need(not missing, f"commands are missing in {place.home.name}: {', '.join(missing)}")
    need(not beyond, f"{place.home.name} offers commands that it cannot run: {', '.join(beyond)}")
    place.primesvt("--help")  # which imports every command that is there
