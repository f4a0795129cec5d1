"""The workers' part of ``primesvt doctor``."""

from __future__ import annotations

from pathlib import Path

import pytest

from primesvt_core.diagnosis import State
from worker import diagnosing


@pytest.mark.parametrize(
    ("missing", "state", "told"),
    [
        ((), State.GOOD, "every promise"),
        (("files", "network"), State.BAD, "files, network"),
        (None, State.BAD, "did not answer"),
    ],
)
def test_what_the_sandbox_holds(
    missing: tuple[str, ...] | None, state: State, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnosing, "missing_promises", lambda _settings, _devices: missing)
    [only] = diagnosing.findings()
    assert (only.state, told in only.detail) == (state, True)


def test_with_wrong_settings_there_is_nothing_to_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIMESVT_LEASE_SECONDS", "many")
    assert [*diagnosing.findings()] == []


def test_nothing_is_left_where_no_worker_has_been(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PRIMESVT_DATA_DIR", raising=False)
    [only] = diagnosing.findings()
    assert only.part == "sandbox"
    assert [*tmp_path.iterdir()] == []
