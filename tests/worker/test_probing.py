"""What a worker finds out of its machine at its start, and where that is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.settings import Settings
from worker import landlock, probing, process

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def weaker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "CHILD", "tests.support.subverted_child")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def test_a_promise_that_does_not_hold_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PYTHON_NO_LANDLOCK", "1")
    missing = probing.missing_promises(Settings(data_dir=tmp_path), ("cpu",))
    assert missing is not None
    assert {"files", "writing"} <= {*missing}
    [record] = [record for record in caplog.records if record.msg == "sandbox_incomplete"]
    assert record.__dict__["missing"] == ", ".join(missing)


@pytest.mark.skipif(landlock.version() < landlock.SCOPES, reason="this kernel holds less")
def test_a_machine_that_holds_all_has_nothing_to_tell(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert probing.missing_promises(Settings(data_dir=tmp_path), ("cpu",)) == ()
    assert caplog.records == []


def test_a_child_that_does_not_start_leaves_it_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(process, "CHILD", "no.such.module")
    assert probing.missing_promises(Settings(data_dir=tmp_path), ("cpu",)) is None
    assert [record.msg for record in caplog.records] == ["sandbox_not_probed"]
