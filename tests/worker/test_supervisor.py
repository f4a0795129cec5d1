"""What a worker makes of what its child answers: a real child answers it."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import pytest

from app.jobs.records import HeartbeatReply
from primesvt_client.facts import CheckpointFacts, DataSetFacts
from worker import process
from worker.heartbeat import LeaseHeartbeat
from worker.process import ChildDied
from worker.protocol import CompressRequest, CompressResult, Request, ValidateCheckpoint, ValidateData
from worker.supervisor import RunTimeExceeded, supervise

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def stub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "CHILD", "tests.support.stub_child")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.fixture
def heartbeat() -> LeaseHeartbeat:
    reply = HeartbeatReply(cancel_requested=False)
    return LeaseHeartbeat(lambda *_: reply, Event(), every_seconds=1, lease_seconds=60)


def test_a_result_has_the_type_that_was_expected(tmp_path: Path, heartbeat: LeaseHeartbeat) -> None:
    upload = tmp_path / "upload"
    upload.write_bytes(b"abc")
    checkpoint, data = Request(task=ValidateCheckpoint(path=upload)), Request(task=ValidateData(path=upload))
    log = tmp_path / "work" / "child.log"
    assert supervise(checkpoint, CheckpointFacts, log, heartbeat, silence_seconds=60).family == "stub"
    assert supervise(data, DataSetFacts, log, heartbeat, silence_seconds=60).samples == 0
    with pytest.raises(ChildDied, match="CheckpointFacts"):
        supervise(checkpoint, DataSetFacts, log, heartbeat, silence_seconds=60)


def test_a_child_runs_no_longer_than_one_may_whatever_it_reports(
    tmp_path: Path, heartbeat: LeaseHeartbeat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHON_STUB_CELLS", "1000")
    monkeypatch.setenv("PYTHON_STUB_CELL_SECONDS", "0.05")
    for name in ("checkpoint", "data"):
        (tmp_path / name).write_bytes(b"abc")
    task = CompressRequest(
        checkpoint=tmp_path / "checkpoint", data=tmp_path / "data", train_data=None, spec={},
        workspace=tmp_path / "workspace", out=tmp_path / "out",
    )  # fmt: skip
    with pytest.raises(RunTimeExceeded, match="ran for the 2 s that this server allows"):
        supervise(
            Request(task=task), CompressResult, tmp_path / "work" / "child.log", heartbeat, silence_seconds=60,
            longest_seconds=2,
        )  # fmt: skip
