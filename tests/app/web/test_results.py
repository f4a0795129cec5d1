"""What a team has compressed so far; priorities of jobs that wait."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from app.db import now
from app.jobs.models import JobRow
from app.web import plots
from app.web.results import totals
from app.workers.records import WorkerState
from primesvt_client.facts import ResultSummary, StepFacts
from primesvt_client.progress import Progress
from primesvt_client.states import Priority, Step
from primesvt_core.types import Verdict
from tests.support.browsing import get, post
from tests.support.dashboard import BUDGET, Dashboard, Team, sample_report

BEFORE, AFTER = 37_300_000, 27_350_000  # bytes of the sample report


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Dashboard]:
    board = Dashboard(tmp_path)
    yield board
    board.close()


def compressed(board: Dashboard, team: Team, name: str, saving: float, drop: float, verdict: Verdict) -> str:
    changes = {"memory_saving": saving, "accuracy_drop": drop}
    return board.succeeded(team, name, sample_report(verdict).model_copy(update=changes)).id


def test_results_are_summed_up_and_sorted_as_asked(board: Dashboard) -> None:
    team = board.team()
    assert "Nothing was compressed yet" in get(board, team, "/results").text
    compressed(board, team, "anna", 0.30, 0.020, Verdict.MET)
    compressed(board, team, "berta", 0.10, 0.001, Verdict.MET)
    compressed(board, team, "clara", 0.40, 0.050, Verdict.ACCURACY_FLOOR_REACHED)
    board.failed(team, "broken", "x", "y")
    found = board.services.results.newest(team.id, None, 10)
    assert [one.name for one in found] == ["clara", "berta", "anna"]
    together = totals(found)
    assert (together.memory_saving, together.accuracy_drop) == (0.30, 0.020)
    assert together.saved_bytes == 3 * (BEFORE - AFTER)
    text = get(board, team, "/results").text
    for told in ("30.0 %", "2.00 points", "1 failed", "28.5 MiB in all", "Accuracy floor reached", "3</b>"):
        assert told in text
    assert "broken" not in text
    rows = {"newest": "cba", "name": "abc", "saving": "cab", "drop": "bac"}
    for order, wanted in rows.items():
        page = get(board, team, f"/results?sort={order}").text
        table = page[page.index("<tbody>") :]
        names = sorted(("anna", "berta", "clara"), key=lambda name: table.index(f">{name}</a>"))
        assert "".join(name[0] for name in names) == wanted


def test_results_of_other_teams_and_other_times_are_left_out(board: Dashboard) -> None:
    team, other = board.team("a"), board.team("b")
    recent = compressed(board, team, "recent", 0.3, 0.02, Verdict.MET)
    old = compressed(board, team, "long ago", 0.3, 0.02, Verdict.MET)
    with board.services.database.session() as session:
        session.execute(
            update(JobRow).where(JobRow.id == old).values(
                created_at=now() - timedelta(days=60), finished_at=now() - timedelta(days=60)
            )
        )  # fmt: skip
    assert f"/jobs/{old}" in get(board, team, "/results?days=90").text
    month = get(board, team, "/results?days=30").text
    assert f"/jobs/{recent}" in month
    assert f"/jobs/{old}" not in month
    assert "Nothing was compressed yet" in get(board, other, "/results?days=nonsense").text


def test_a_summary_of_another_version_is_no_result(board: Dashboard) -> None:
    team = board.team()
    job = board.succeeded(team)
    with board.services.database.session() as session:
        session.execute(update(JobRow).where(JobRow.id == job.id).values(summary={"memory_saving": 0.1}))
    assert board.services.results.newest(team.id, None, 10) == []
    assert get(board, team, "/results").status_code == 200


def test_points_of_the_picture_lie_where_their_values_are_and_lead_to_their_jobs(board: Dashboard) -> None:
    team = board.team()
    left = compressed(board, team, "left", 0.1, 0.01, Verdict.MET)
    right = compressed(board, team, "right", 0.4, 0.03, Verdict.MET)
    floor = compressed(board, team, "floor", 0.2, 0.02, Verdict.ACCURACY_FLOOR_REACHED)
    drawn = plots.results(board.services.results.newest(team.id, None, 10))
    assert drawn is not None
    met, reached = drawn.series
    spots = {link[0]: mark for series in (met, reached) for mark, link in zip(series.marks, series.links, strict=True)}
    xs, ys = zip(*(spots[f"/jobs/{job}"] for job in (left, floor, right)), strict=True)
    assert xs[1] - xs[0] == pytest.approx((xs[2] - xs[0]) / 3, abs=0.11)  # to a tenth of a pixel
    assert ys[0] - ys[1] == pytest.approx((ys[0] - ys[2]) / 2, abs=0.11)
    assert met.links[0] == (f"/jobs/{right}", "right: 40.0 % saved, 3.00 points lost")
    assert plots.results([]) is None


# Priorities


def test_the_priority_is_chosen_shown_and_changed_while_a_job_waits(board: Dashboard) -> None:
    team = board.team()
    first, second = board.queued(team, "first"), board.queued(team, "second")
    assert "number 2" in get(board, team, "/").text
    page = get(board, team, f"/jobs/{second.id}").text
    assert "Number 2 in the queue" in page
    assert "<dd>Normal</dd>" in page
    answer = post(board, team, f"/jobs/{second.id}/priority", {"priority": "high"})
    assert answer.headers["location"] == f"/jobs/{second.id}"
    page = get(board, team, f"/jobs/{second.id}").text
    assert "Number 1 in the queue" in page
    assert "<dd>High</dd>" in page
    assert "high priority" in get(board, team, "/").text
    assert post(board, team, f"/jobs/{second.id}/priority", {"priority": "urgent"}).status_code == 422
    assert board.jobs.claim(first.id, "worker-7") is not None
    assert post(board, team, f"/jobs/{first.id}/priority", {"priority": "low"}).status_code == 409
    running = get(board, team, f"/jobs/{first.id}").text
    assert "worker-7" in running
    assert "<dd>CPU</dd>" in running
    assert f"/jobs/{first.id}/priority" not in running


def test_a_job_that_is_not_over_says_when_it_will_be(board: Dashboard) -> None:
    team = board.team()
    job = board.queued(team)
    assert "no worker that can run the job is available" in get(board, team, f"/jobs/{job.id}").text
    board.services.workers.report("w", "here", ["cpu"], "0.1", WorkerState.IDLE, None)
    waiting = get(board, team, f"/jobs/{job.id}/live").text
    assert "<dt>Begins in about</dt><dd>0 s</dd>" in waiting
    assert "no comparable job" in waiting
    before, claim = board.running(team, told=0)
    board.jobs.heartbeat(claim, [Progress(step=Step.SEARCH, done=1, total=1, facts=StepFacts(seconds=100.0))])
    board.jobs.finalize(claim)
    board.jobs.succeed(claim, [], "met", ResultSummary())
    assert board.services.jobs.get(team.id, before.id).state.is_terminal
    told = get(board, team, f"/jobs/{job.id}/live").text
    assert "<dt>Ends in about</dt><dd>1 min 40 s</dd>" in told
    assert "Nobody can tell" not in told


def test_a_new_job_takes_the_priority_of_the_form(board: Dashboard) -> None:
    team = board.team()
    like = board.queued(team)
    fields = {"checkpoint_id": like.checkpoint_id, "dataset_id": like.dataset_id, "max_accuracy_drop": "3"}
    made = post(board, team, "/new", {**fields, "priority": "low"}).headers["location"]
    job = board.services.jobs.get(team.id, made.rsplit("/", 1)[1])
    assert job.priority is Priority.LOW
    assert job.spec["budget"] == {"max_accuracy_drop": BUDGET["max_accuracy_drop"]}
    again = get(board, team, f"/new?like={job.id}").text
    assert '<option value="low" selected>' in again
