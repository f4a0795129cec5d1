"""What the processes of the service do before anything else, and what a worker keeps of its environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.settings import Settings
from worker.__main__ import with_password

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import ctypes
from {module} import {name} as start
import {module} as module

def stop(*_given, **_more):
    raise SystemExit(f"dumpable {{ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)}}")

module.{opens} = stop
start()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's own")
@pytest.mark.parametrize(
    ("module", "name", "opens"),
    [
        ("app.main", "create", "create_app"),
        ("worker.__main__", "main", "open_worker_loop"),
        ("worker.reconciler", "main", "connect"),
    ],
)
def test_a_process_hides_its_memory_before_it_opens_anything(
    module: str, name: str, opens: str, tmp_path: Path
) -> None:
    given = {**os.environ, "PYTHONPATH": str(ROOT), "PRIMESVT_DATA_DIR": str(tmp_path)}
    code = PROGRAM.format(module=module, name=name, opens=opens)
    done = subprocess.run([sys.executable, "-c", code], env=given, capture_output=True, text=True, check=False)
    assert done.stderr.strip().endswith("dumpable 0")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql+psycopg://me@host/name", "postgresql+psycopg://me:p%40ss@host/name"),
        ("postgresql+psycopg://me:own@host/name", "postgresql+psycopg://me:own@host/name"),
        ("", ""),
    ],
)
def test_a_password_from_the_environment_is_kept_before_it_is_erased_there(url: str, expected: str) -> None:
    settings = Settings(database_url=url)
    assert with_password(settings, {"PGPASSWORD": "p@ss"}).database_url == expected
    assert with_password(settings, {}) == settings
