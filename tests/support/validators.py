"""Programs that know what a file of somebody else's format must look like; all work without the internet."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.servers import missing


def need_package(name: str) -> None:
    """Skip where a package is not installed; fail where everything was promised."""
    if importlib.util.find_spec(name) is None:
        missing(f"{name} is not installed; 'make setup' installs it")


def need_program(name: str) -> str:
    """Where a program is; skip, or fail, where it is not."""
    found = shutil.which(name)
    if found is None:
        missing(f"no {name} on this machine")
    return str(found)


def by_builtin_schema(schema: str, *paths: Path) -> subprocess.CompletedProcess[str]:
    """What check-jsonschema says of files, by a schema that it brings along."""
    need_package("check_jsonschema")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *map(str, paths)]
    return subprocess.run(command, capture_output=True, text=True, check=False)
