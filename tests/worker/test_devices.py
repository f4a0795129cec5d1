"""Which devices a worker says it has."""

from __future__ import annotations

import pytest

from app.settings import Settings
from worker import devices as detecting
from worker.devices import devices


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which torch may be asked: this file below /dev is always there."""
    monkeypatch.setattr(detecting, "DRIVERS", ("null",))


def never(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detecting, "_torch_finds_gpu", lambda: pytest.fail("torch was asked"))


@pytest.mark.usefixtures("driver")
@pytest.mark.parametrize(
    ("named", "found"), [("cpu", ("cpu",)), ("cuda", ("cpu", "cuda")), ("cpu,cuda", ("cpu", "cuda"))]
)
def test_what_the_settings_name_is_believed(
    named: str, found: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    never(monkeypatch)
    assert devices(Settings(worker_devices=named)) == found


def test_torch_is_not_started_where_there_is_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    never(monkeypatch)
    monkeypatch.setattr(detecting, "DRIVERS", ("no-such-driver",))
    assert devices(Settings()) == ("cpu",)


@pytest.mark.usefixtures("driver")
@pytest.mark.parametrize(("status", "found"), [(0, ("cpu", "cuda")), (1, ("cpu",))])
def test_where_there_is_a_driver_torch_decides(
    status: int, found: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detecting, "PROBE", f"import sys; sys.exit({status})")
    assert devices(Settings()) == found


@pytest.mark.usefixtures("driver")
def test_a_driver_that_hangs_is_told_and_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(detecting, "PROBE", "import time; time.sleep(600)")
    monkeypatch.setattr(detecting, "PROBE_SECONDS", 0.1)
    assert devices(Settings()) == ("cpu",)
    assert [record.msg for record in caplog.records] == ["gpu_not_asked"]
