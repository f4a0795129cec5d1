"""The parts of the service: what they make is for their user alone, and their logs stay short."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from app.embedded import processes
from app.embedded.processes import LOGS_KEPT, Program, Supervisor, rotate


@pytest.fixture
def short_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "LONGEST_LOG", 100)


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


@pytest.mark.usefixtures("short_logs")
def test_a_long_log_is_set_aside_while_its_program_goes_on_writing(tmp_path: Path) -> None:
    path = tmp_path / "api.log"
    with path.open("ab", buffering=0) as writer:
        writer.write(b"short\n")
        rotate(path)
        assert path.read_bytes() == b"short\n"
        for number in range(LOGS_KEPT + 3):
            writer.write(b"%d" % number * 100)
            rotate(path)
            assert path.read_bytes() == b""
        writer.write(b"goes on\n")
    assert path.read_bytes() == b"goes on\n"
    kept = sorted(tmp_path.glob("api.log.*"))
    assert len(kept) == LOGS_KEPT
    assert [one.read_bytes()[:1] for one in kept] == [b"7", b"6", b"5", b"4", b"3"]


@pytest.mark.usefixtures("short_logs")
def test_a_log_that_is_not_there_is_no_fault(tmp_path: Path) -> None:
    rotate(tmp_path / "none.log")
    assert [*tmp_path.iterdir()] == []


@pytest.mark.usefixtures("short_logs")
def test_a_log_that_cannot_be_kept_is_shortened_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "api.log"
    path.write_bytes(b"x" * 200)
    (tmp_path / "api.log.1").mkdir()
    (tmp_path / "api.log.2").mkdir()
    (tmp_path / "api.log.2" / "in the way").touch()
    rotate(path)
    assert path.read_bytes() == b""
