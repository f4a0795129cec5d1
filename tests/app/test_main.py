"""The server process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from app.settings import Settings


def test_what_a_server_has_loaded_is_no_longer_looked_through_for_garbage(tmp_path: Path) -> None:
    program = (
        "import gc; from app.main import create; kept = create(); print(gc.get_freeze_count(), len(gc.get_objects()))"
    )
    env = {**os.environ, **Settings(data_dir=tmp_path, broker_url="memory://").environment()}
    told = subprocess.check_output([sys.executable, "-c", program], env=env, text=True, timeout=60)
    frozen, looked_through = map(int, told.split())
    assert frozen > 100 * looked_through
