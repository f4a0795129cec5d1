"""Logs of the parts stay short."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.embedded import processes
from app.embedded.processes import LOGS_KEPT, rotate


@pytest.fixture(autouse=True)
def short_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "LONGEST_LOG", 100)


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


def test_a_log_that_is_not_there_is_no_fault(tmp_path: Path) -> None:
    rotate(tmp_path / "none.log")
    assert [*tmp_path.iterdir()] == []


def test_a_log_that_cannot_be_kept_is_shortened_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "api.log"
    path.write_bytes(b"x" * 200)
    (tmp_path / "api.log.1").mkdir()
    (tmp_path / "api.log.2").mkdir()
    (tmp_path / "api.log.2" / "in the way").touch()
    rotate(path)
    assert path.read_bytes() == b""
