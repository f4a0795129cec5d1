"""What a team has compressed so far; priorities of jobs that wait."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from app.catalog.models import ContentRow, UploadRow
from app.db import now
from app.jobs.models import JobRow
from app.jobs.results import Result, ResultQuery
from app.web.result_points import of_results
from app.web.results import totals
from app.workers.records import WorkerState
from primesvt_client.facts import ResultSummary, StepFacts
from primesvt_client.progress import Progress
from primesvt_client.states import Priority, Scale, Step
from primesvt_client.verdicts import VERDICTS
from primesvt_core.types import Verdict
from tests.support.browsing import attributes, get, post, text_of
from tests.support.dashboard import BUDGET, Dashboard, Team, sample_report
from tests.support.disagreements import disagreement_report

BEFORE, AFTER = 37_300_000, 27_350_000  # bytes of the sample report


def compressed(board: Dashboard, team: Team, name: str, saving: float, drop: float, verdict: Verdict) -> str:
    changes = {"memory_saving": saving, "accuracy_drop": drop}
    return board.succeeded(team, name, sample_report(verdict).model_copy(update=changes)).id


def found_of(board: Dashboard, team: Team, **query: Any) -> list[Result]:
    """Results, the newest first."""
    found = board.services.results.find(team.id, ResultQuery(**query), 10).items
    return sorted(found, key=lambda one: one.id, reverse=True)


def test_results_are_summed_up_and_sorted_as_asked(board: Dashboard) -> None:
    team = board.team()
    assert attributes(get(board, team, "/results").text, "data-empty") == ["results"]
    compressed(board, team, "anna", 0.30, 0.020, Verdict.MET)
    compressed(board, team, "berta", 0.10, 0.001, Verdict.MET)
    compressed(board, team, "clara", 0.40, 0.050, Verdict.ACCURACY_FLOOR_REACHED)
    board.failed(team, "broken", "x", "y")
    board.services.jobs.cancel(team.id, board.queued(team, "withdrawn").id)
    board.queued(team, "waiting")
    found = found_of(board, team)
    assert [one.name for one in found] == ["clara", "berta", "anna"]
    together = totals(found)
    assert (together.memory_saving, together.accuracy_drop) == (0.30, 0.020)
    assert together.saved_bytes == 3 * (BEFORE - AFTER)
    text = get(board, team, "/results").text
    figures = {
        "memory_saving": ("30.0 %", "28.5 MiB"),
        "accuracy_drop": ("2.00 points",),
        "succeeded": ("3", "1 failed", "1 cancelled", "1 unfinished"),
    }
    for name, values in figures.items():
        for value in values:
            assert value in text_of(text, "data-figure", name)
    assert VERDICTS[Verdict.ACCURACY_FLOOR_REACHED][0] in text
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
    board.queued(team, "waiting")
    assert f"/jobs/{old}" in get(board, team, "/results?days=90").text
    month = get(board, team, "/results?days=30").text
    assert f"/jobs/{recent}" in month
    assert f"/jobs/{old}" not in month
    assert "1 unfinished" in text_of(month, "data-figure", "succeeded")
    with board.services.database.session() as session:  # submitted long ago, and over today
        session.execute(update(JobRow).where(JobRow.id == old).values(finished_at=now()))
    month = get(board, team, "/results?days=30").text
    assert f"/jobs/{old}" in month
    assert "2" in text_of(month, "data-figure", "succeeded")
    assert attributes(get(board, other, "/results?days=nonsense").text, "data-empty") == ["results"]


def test_a_summary_of_another_version_is_no_result(board: Dashboard) -> None:
    team = board.team()
    job = board.succeeded(team)
    with board.services.database.session() as session:
        session.execute(update(JobRow).where(JobRow.id == job.id).values(summary={"memory_saving": 0.1}))
    assert found_of(board, team) == []
    assert get(board, team, "/results").status_code == 200
    board.succeeded(team)
    assert attributes(get(board, team, "/results").text, "data-left-out") == ["1"]


def test_points_of_the_chart_have_the_values_of_their_results_and_lead_to_their_jobs(board: Dashboard) -> None:
    team = board.team()
    met = compressed(board, team, "met", 0.1, 0.01, Verdict.MET)
    floor = compressed(board, team, "floor", 0.2, 0.02, Verdict.ACCURACY_FLOOR_REACHED)
    points = {point["url"]: point for point in of_results(found_of(board, team), Scale.RELATIVE)}
    for job, saving, drop, verdict in ((met, 10, 1, Verdict.MET), (floor, 20, 2, Verdict.ACCURACY_FLOOR_REACHED)):
        point = points[f"/jobs/{job}"]
        assert (point["x"], point["y"]) == (pytest.approx(saving), pytest.approx(drop))
        assert (point["verdict"], point["label"], point["is_on_frontier"]) == (verdict, VERDICTS[verdict][0], True)
    assert of_results([], Scale.RELATIVE) == []
    [x, _] = {point["x"] for point in of_results(found_of(board, team), Scale.ABSOLUTE)} | {0.0}
    assert AFTER / (1 << 20) in (x, _)


def test_the_smallest_within_so_many_points_is_told_and_marked(board: Dashboard) -> None:
    team = board.team()
    small = compressed(board, team, "small", 0.50, 0.050, Verdict.MET)
    answer = compressed(board, team, "answer", 0.40, 0.019, Verdict.NOT_PROVEN)
    beaten = compressed(board, team, "beaten", 0.30, 0.020, Verdict.MET)
    careful = compressed(board, team, "careful", 0.10, 0.001, Verdict.MET)
    text = get(board, team, "/results").text
    assert attributes(text, "data-smallest") == [small]
    assert {*attributes(text, "data-frontier")} == {small, answer, careful}
    within = get(board, team, "/results?within=2").text
    assert attributes(within, "data-smallest") == [answer]
    assert attributes(within, "data-result")[0] in (answer, beaten, careful)
    assert small not in attributes(within, "data-result")
    assert "Not proven" in text_of(within, "data-smallest", answer)
    assert attributes(within, "data-mixed") == [""] or "data-mixed" in within
    other = board.services.jobs.get(team.id, beaten).checkpoint_id
    only = get(board, team, f"/results?checkpoint_id={other}").text
    assert attributes(only, "data-result") == [beaten]
    assert "data-mixed" not in only
    board.services.upkeep.archive(team.id, [answer])
    assert attributes(get(board, team, "/results?within=2,0").text, "data-smallest") == [beaten]
    assert attributes(get(board, team, "/results?within=nothing").text, "data-smallest") == [small]


def test_uploads_of_the_same_bytes_are_one_choice_by_whichever_address(board: Dashboard) -> None:
    team = board.team()
    jobs = [compressed(board, team, name, 0.3, 0.01, Verdict.MET) for name in ("first", "second")]
    used = [board.services.jobs.get(team.id, job) for job in jobs]
    alike = {"checkpoint_id": "ab" * 32, "dataset_id": "cd" * 32}
    with board.services.database.session() as session:
        for name, digest in alike.items():
            contents = select(UploadRow.content_id).where(UploadRow.id.in_([getattr(job, name) for job in used]))
            session.execute(update(ContentRow).where(ContentRow.id.in_(contents)).values(sha256=digest))
    for job in used:
        text = get(board, team, f"/results?checkpoint_id={job.checkpoint_id}").text
        assert {*attributes(text, "data-result")} == {*jobs}
        assert "data-mixed" not in text
        [chosen] = re.findall(r'<option value="(upl_\w+)" selected>', text)
        assert chosen == used[1].checkpoint_id  # the newest of them stands for all
    assert f"/results?checkpoint_id={used[0].checkpoint_id}" in get(board, team, f"/jobs/{jobs[0]}").text
    uploads = get(board, team, "/uploads").text
    assert {*attributes(uploads, "data-results")} == {x for job in used for x in (job.checkpoint_id, job.dataset_id)}


# Priorities


def test_the_priority_is_chosen_shown_and_changed_while_a_job_waits(board: Dashboard) -> None:
    team = board.team()
    first, second = board.queued(team, "first"), board.queued(team, "second")
    assert "2" in attributes(get(board, team, "/").text, "data-position")
    page = get(board, team, f"/jobs/{second.id}").text
    assert attributes(page, "data-position") == ["2"]
    assert attributes(page, "data-priority") == ["normal"]
    answer = post(board, team, f"/jobs/{second.id}/priority", {"priority": "high"})
    assert answer.headers["location"] == f"/jobs/{second.id}"
    page = get(board, team, f"/jobs/{second.id}").text
    assert attributes(page, "data-position") == ["1"]
    assert attributes(page, "data-priority") == ["high"]
    assert "high priority" in get(board, team, "/").text
    assert post(board, team, f"/jobs/{second.id}/priority", {"priority": "urgent"}).status_code == 422
    assert board.jobs.claim(first.id, "worker-7") is not None
    assert post(board, team, f"/jobs/{first.id}/priority", {"priority": "low"}).status_code == 409
    running = get(board, team, f"/jobs/{first.id}").text
    assert "worker-7" in running
    assert attributes(running, "data-device") == ["cpu"]
    assert f"/jobs/{first.id}/priority" not in running


def test_a_job_that_is_not_over_says_when_it_will_be(board: Dashboard) -> None:
    team = board.team()
    job = board.queued(team)
    assert attributes(get(board, team, f"/jobs/{job.id}").text, "data-estimate") == ["none"]
    board.services.workers.report("w", "here", ["cpu"], "0.1", WorkerState.IDLE, None)
    waiting = get(board, team, f"/jobs/{job.id}/live").text
    assert text_of(waiting, "data-estimate", "starts") == "0 s"
    assert attributes(waiting, "data-estimate") == ["starts", "none"]
    before, claim = board.running(team, reports=0)
    board.jobs.heartbeat(claim, [Progress(step=Step.SEARCH, done=1, total=1, facts=StepFacts(seconds=100.0))])
    board.jobs.finalize(claim)
    board.jobs.succeed(claim, [], "met", ResultSummary())
    assert board.services.jobs.get(team.id, before.id).state.is_terminal
    estimated = get(board, team, f"/jobs/{job.id}/live").text
    assert text_of(estimated, "data-estimate", "ends") == "1 min 40 s"
    assert "none" not in attributes(estimated, "data-estimate")


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


def test_results_without_accuracies_are_shown_by_their_disagreement(board: Dashboard) -> None:
    team = board.team()
    compressed(board, team, "labelled", 0.30, 0.020, Verdict.MET)
    job = board.succeeded(team, "without", disagreement_report())
    found = found_of(board, team)
    assert [(one.name, one.accuracy_drop, one.disagreement) for one in found] == [
        ("without", None, 0.019), ("labelled", 0.02, None),
    ]  # fmt: skip
    assert totals(found).accuracy_drop == 0.02
    listed = get(board, team, "/results?sort=drop").text
    assert "1.90 %" in listed
    page = get(board, team, f"/jobs/{job.id}").text
    assert "1.90 %" in text_of(page, "data-figure", "disagreement")
    figures = attributes(page, "data-figure")
    assert not {"pruned_accuracy", "accuracy_drop"} & {*figures}
    assert "2.46 %" in text_of(page, "data-figure", "disagreement")
    assert "1.90 %" in get(board, team, "/").text
