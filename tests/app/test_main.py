"""The server process."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from app.settings import Settings


def test_what_a_server_has_loaded_is_no_longer_looked_through_for_garbage(tmp_path: Path) -> None:
    program = (
        "import gc; from app.main import create; kept = create(); print(gc.get_freeze_count(), len(gc.get_objects()))"
    )
    env = {**os.environ, **Settings(data_dir=tmp_path, broker_url="memory://").environment()}
    told = subprocess.check_output([sys.executable, "-c", program], env=env, text=True, timeout=60)
    frozen, looked_through = map(int, told.split())
    assert frozen > 100 * looked_through


MAKES_A_FILE = """
import os, stat, sys
from app.main import create
created = create()
open(os.environ["PRIMESVT_DATA_DIR"] + "/made", "w").close()
for name in ("made", "primesvt.sqlite3"):
    print(oct(stat.S_IMODE(os.stat(os.environ["PRIMESVT_DATA_DIR"] + "/" + name).st_mode)))
"""


def test_what_a_server_makes_is_its_users_alone(tmp_path: Path) -> None:
    env = {**os.environ, **Settings(data_dir=tmp_path / "data", broker_url="memory://").environment()}
    told = subprocess.run(
        [sys.executable, "-c", MAKES_A_FILE],
        env=env,
        text=True,
        timeout=60,
        check=True,
        capture_output=True,
        umask=0o022,
    )
    assert told.stdout.split() == ["0o600", "0o600"]
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "command", [["-c", "import app.main; app.main.create()"], ["-m", "worker"], ["-m", "worker.reconciler"]]
)
def test_no_process_starts_on_a_folder_that_others_may_write_into(tmp_path: Path, command: list[str]) -> None:
    tmp_path.chmod(0o777)
    env = {**os.environ, **Settings(data_dir=tmp_path, broker_url="memory://").environment()}
    told = subprocess.run([sys.executable, *command], env=env, text=True, timeout=60, check=False, capture_output=True)
    tmp_path.chmod(0o700)
    assert told.returncode != 0
    assert f"chmod go-w {tmp_path}" in told.stderr
    assert [*tmp_path.iterdir()] == []
