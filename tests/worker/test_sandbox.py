"""What the process that opens an upload cannot do: a real child tries it."""

from __future__ import annotations

import errno
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from app.jobs.records import HeartbeatReply
from app.settings import Settings
from primesvt_client.facts import DataSetFacts
from tests.core.data.formats.test_parquet import published
from tests.support.data_files import CLASSES
from worker import process, sandbox, seccomp
from worker.heartbeat import LeaseHeartbeat
from worker.process import ChildDied, CpuLimitExceeded
from worker.protocol import Request, Sandbox, ValidateData
from worker.supervisor import ChildRefused, supervise

MEGABYTE = 1 << 20
ROOT = Path(__file__).resolve().parents[2]
REFUSED = f"PermissionError {errno.EPERM}"

linux = pytest.mark.skipif(sys.platform != "linux", reason="system call filters are Linux's")


@pytest.fixture(autouse=True)
def naughty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "CHILD", "tests.support.naughty_child")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "service")


@pytest.fixture
def strict(settings: Settings) -> Sandbox:
    return sandbox.for_validation(settings)


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def beating() -> LeaseHeartbeat:
    reply = HeartbeatReply(cancel_requested=False)
    return LeaseHeartbeat(lambda *_: reply, Event(), every_seconds=0.1, lease_seconds=60)


def attempt(folder: Path, what: str, target: object, limits: Sandbox, seconds: float = 60.0) -> Any:
    heartbeat = beating()
    request = Request(task=ValidateData(path=Path(f"{what}:{target}")), sandbox=limits)
    result = supervise(request, DataSetFacts, folder / "child.log", heartbeat, silence_seconds=seconds)
    return (result.model_extra or {})["attempt"]


def refusal(folder: Path, what: str, target: object, limits: Sandbox) -> tuple[str, str]:
    with pytest.raises(ChildRefused) as refused:
        attempt(folder, what, target, limits)
    return str(refused.value.problem.code), str(refused.value.problem.detail)


@linux
@pytest.mark.parametrize("what", ["connect", "start", "fork", "signal_other", "read_other", "enter_namespace"])
def test_the_kernel_refuses_it(tmp_path: Path, strict: Sandbox, listening: int, what: str) -> None:
    target = listening if what == "connect" else os.getpid()
    assert refusal(tmp_path, what, target, strict) == ("refused_by_kernel", REFUSED)


def test_each_attempt_succeeds_without_a_sandbox_of_ours(tmp_path: Path, listening: int) -> None:
    """Or the refusals above would prove nothing."""
    from tests.support.naughty_child import ATTEMPTS

    assert ATTEMPTS["connect"](str(listening)) == "connected"
    assert ATTEMPTS["start"]("") == 0
    assert ATTEMPTS["signal_other"](str(os.getppid() or os.getpid())) == "signalled"


@linux
def test_computing_has_no_network_but_may_start_programs(tmp_path: Path, listening: int, settings: Settings) -> None:
    computing = sandbox.for_computing(settings)
    assert refusal(tmp_path, "connect", listening, computing) == ("refused_by_kernel", REFUSED)
    assert attempt(tmp_path, "start", "", computing) == 0
    assert attempt(tmp_path, "look_around", "", computing)["no_new_privileges"] == 1


def test_honest_work_is_not_hindered(tmp_path: Path, strict: Sandbox) -> None:
    assert attempt(tmp_path, "use_threads", "", strict) == 64 * 64


def test_parquet_files_are_read_inside(tmp_path: Path, strict: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a library in C++ that starts threads and maps memory where it may."""
    monkeypatch.setattr(process, "CHILD", "worker.child")
    request = Request(task=ValidateData(path=published(tmp_path / "set.parquet")), sandbox=strict)
    found = supervise(request, DataSetFacts, tmp_path / "child.log", beating(), silence_seconds=60)
    assert (found.samples, found.classes) == (6, CLASSES)


def test_memory_beyond_the_limit_is_a_refusal(tmp_path: Path, strict: Sandbox) -> None:
    limits = strict.model_copy(update={"memory_bytes": 512 * MEGABYTE})
    assert attempt(tmp_path, "allocate", 128 * MEGABYTE, limits) == 128 * MEGABYTE
    code, detail = refusal(tmp_path, "allocate", 1024 * MEGABYTE, limits)
    assert code == "too_demanding"
    assert f"{512 * MEGABYTE:,} bytes of memory" in detail


def test_processor_time_beyond_the_limit_ends_the_child(tmp_path: Path, strict: Sandbox) -> None:
    began = time.monotonic()
    with pytest.raises(CpuLimitExceeded):
        attempt(tmp_path, "spin", "", strict.model_copy(update={"cpu_seconds": 1}))
    assert time.monotonic() - began < 30


def test_a_silent_child_is_stopped(tmp_path: Path, strict: Sandbox) -> None:
    with pytest.raises(ChildDied, match="no progress"):
        attempt(tmp_path, "spin", "", strict, seconds=1.0)


@pytest.mark.parametrize(
    ("what", "target", "changes", "number"),
    [
        ("write", 16 * MEGABYTE, {"file_bytes": 8 * MEGABYTE}, errno.EFBIG),
        ("hold", 2 * sandbox.OPEN_FILES, {}, errno.EMFILE),
    ],
)
def test_files_beyond_the_limits_are_refused(
    tmp_path: Path, strict: Sandbox, what: str, target: int, changes: dict[str, int], number: int
) -> None:
    limits = strict.model_copy(update=changes)
    assert refusal(tmp_path, what, target, limits) == ("refused_by_kernel", f"OSError {number}")
    assert attempt(tmp_path, what, target // 4, limits)


def test_the_child_sees_nothing_of_the_service(
    tmp_path: Path, strict: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = {
        "PRIMESVT_DATABASE_URL": "postgresql://secret", "PRIMESVT_BROKER_URL": "redis://secret",
        "AWS_SECRET_ACCESS_KEY": "secret", "PGPASSWORD": "secret", "PATHS": "secret", "XDG_CACHE_HOME": "secret",
    }  # fmt: skip
    for name, value in {**secrets, "HOME": "secret"}.items():
        monkeypatch.setenv(name, value)
    seen = attempt(tmp_path, "look_around", "", strict)
    assert not secrets.keys() & seen["environment"].keys()
    assert "secret" not in str(seen["environment"].values())
    assert seen["environment"]["OMP_NUM_THREADS"] == "1"
    assert (seen["files"], seen["core_bytes"]) == ([], 0)
    assert seen["no_new_privileges"] == (1 if sys.platform == "linux" else seen["no_new_privileges"])
    folder = Path(seen["folder"])
    assert seen["environment"]["TMPDIR"] == seen["environment"]["HOME"] == str(folder)
    assert folder.parent == tmp_path
    assert not folder.exists()


@pytest.mark.parametrize("kind", ["FAMILIES", "POLICIES", "CRITERIA", "REPAIRS", "EXPORTERS"])
def test_a_child_finds_plug_ins_where_the_worker_does(strict: Sandbox, kind: str) -> None:
    name = f"PRIMESVT_{kind}"
    assert sandbox.environment({name: "/plugins"}, strict, "/scratch")[name] == "/plugins"


def test_a_message_without_an_end_does_not_fill_the_worker(tmp_path: Path, strict: Sandbox) -> None:
    with pytest.raises(ChildDied, match="exit status"):
        attempt(tmp_path, "babble", "", strict)


def test_what_a_machine_cannot_give_is_logged(
    tmp_path: Path, strict: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PYTHON_UNKNOWN_MACHINE", "1")
    assert attempt(tmp_path, "start", "", strict) == 0
    [record] = [record for record in caplog.records if record.msg == "sandbox_incomplete"]
    assert record.__dict__["missing"].split(", ")[:2] == ["network", "programs"]


@linux
def test_both_processors_have_every_call() -> None:
    for machine in seccomp.MACHINES.values():
        numbers = [machine.socket, machine.clone, machine.clone3, machine.kill, machine.tgkill, *machine.of_process,
                   *machine.attributes, *machine.programs, *machine.never]  # fmt: skip
        assert len(numbers) == len(set(numbers))
    x86, arm = seccomp.MACHINES["x86_64"], seccomp.MACHINES["aarch64"]
    assert len(x86.never) == len(arm.never)
