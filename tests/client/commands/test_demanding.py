"""An exit status for scripts that want a verdict."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from primesvt_client.commands import jobs
from primesvt_client.commands.demanding import MISSED, demand
from primesvt_client.errors import SpecError
from primesvt_client.states import JobState, Verdict


@pytest.mark.parametrize("verdict", ["met", Verdict.MET])
def test_the_verdict_that_is_wanted_or_any_does(verdict: str) -> None:
    demand(verdict, [Verdict.MET])
    demand(verdict, [Verdict.NOT_PROVEN, Verdict.MET])
    demand(verdict, None)


def test_another_verdict_is_told_and_has_a_status_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        demand("accuracy_floor_reached", [Verdict.MET])
    assert ended.value.code == MISSED == 3
    assert "error [verdict] it is accuracy_floor_reached (Accuracy floor reached), not met" in " ".join(
        capsys.readouterr().err.split()
    )


def test_a_verdict_is_waited_for() -> None:
    with pytest.raises(SpecError, match="give --wait, too"):
        jobs.check_waits(False, [Verdict.MET])
    jobs.check_waits(False, None)
    jobs.check_waits(True, [Verdict.MET])


def test_a_job_that_missed_its_budget_fails_a_script(monkeypatch: pytest.MonkeyPatch) -> None:
    job: Any = SimpleNamespace(
        id="job_1", state=JobState.SUCCEEDED, verdict="floor_missed", name="", progress=None, summary=None,
        problem=None,
        tags=(), note="",
    )  # fmt: skip
    monkeypatch.setattr(jobs, "follow", lambda _client, _id: job)
    with pytest.raises(SystemExit) as ended:
        jobs._finish(None, job, wait=True, json=False, wanted=[Verdict.MET])  # type: ignore[arg-type]
    assert ended.value.code == MISSED
    jobs._finish(None, job, wait=True, json=False)  # type: ignore[arg-type]
