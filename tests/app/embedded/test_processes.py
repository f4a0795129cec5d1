"""The parts of the service: what they make is for their user alone."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from app.embedded.processes import Program, Supervisor


def test_what_a_part_makes_and_logs_is_its_users_alone_whatever_the_umask(tmp_path: Path) -> None:
    made, log = tmp_path / "made", tmp_path / "log"
    command = [sys.executable, "-c", f"open({str(made)!r}, 'w').close(); print('said')"]
    before = os.umask(0o022)
    try:
        supervisor = Supervisor(Program(name="part", command=command, env=os.environ, log=log, grace_seconds=1))
        supervisor.process.wait(20)
        supervisor.stop()
        (tmp_path / "result").touch()  # of who runs it, as the demonstration's results are
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (made, log, tmp_path / "result")}
    assert modes == {"made": 0o600, "log": 0o600, "result": 0o644}
    assert log.read_text() == "said\n"
