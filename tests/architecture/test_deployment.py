"""What is written down about running the service is true of the code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.settings import FROM_FILES, PREFIX, Settings
from primesvt_core import registry

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = {PREFIX + name.upper(): field.description for name, field in Settings.model_fields.items()}
OF_FILES = {f"{PREFIX}{name.upper()}_FILE" for name in FROM_FILES}
OF_CLIENTS = {"PRIMESVT_SERVER", "PRIMESVT_API_KEY"}
OF_PLUG_INS = {f"{PREFIX}{kind.upper()}" for kind in registry.ATTRIBUTES}


def named(text: str) -> set[str]:
    return set(re.findall(r"PRIMESVT_[A-Z0-9_]+", text))


def test_every_setting_is_documented_with_its_meaning() -> None:
    text = (ROOT / "docs" / "deployment.md").read_text()
    rows = dict(re.findall(r"^\| `(PRIMESVT_\w+)` \| [^|]+ \| (.+) \|$", text, re.MULTILINE))
    assert rows == SETTINGS
    assert named(text) >= OF_FILES
    of_compose = named((ROOT / ".env.example").read_text())
    assert named(text) <= SETTINGS.keys() | OF_FILES | OF_CLIENTS | OF_PLUG_INS | of_compose


@pytest.mark.parametrize(
    "module", ["app.main", "primesvt_client.commands.main", "primesvt_client", "worker.__main__", "worker.reconciler"]
)
def test_processes_that_do_not_compute_load_no_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit(any(name in sys.modules for name in ('torch', 'spikingjelly')))"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0
