"""The list of jobs."""

from __future__ import annotations

import re

import pytest

from app.catalog.states import UploadKind
from app.jobs.records import NewJob
from primesvt_client.states import Verdict
from primesvt_client.verdicts import ORIGINAL_IS_DELIVERED
from tests.support.browsing import attributes, get, next_page
from tests.support.dashboard import BUDGET, Dashboard, sample_report


def test_empty_lists_say_what_to_do(board: Dashboard) -> None:
    team = board.team()
    for address, kind in (("/", "jobs"), ("/?q=nothing", "filtered"), ("/uploads", "uploads")):
        assert attributes(get(board, team, address).text, "data-empty") == [kind]


def test_the_list_shows_what_people_look_for(board: Dashboard) -> None:
    team = board.team()
    board.succeeded(team, "Night run")
    board.failed(team, "Broken", "x", "y")
    text = get(board, team, "/").text
    assert set(attributes(text, "data-state")) == {"succeeded", "failed"}
    for fact in ("Night run", "26.7 %", "1.89 points", "spikformer-cifar10.pth", "Spikformer"):
        assert fact in text
    only = get(board, team, "/?state=failed&q=rok").text
    assert "Broken" in only
    assert "Night run" not in only
    assert "Night run" not in get(board, team, "/?state=active").text


@pytest.mark.parametrize("verdict", Verdict)
def test_only_a_budget_that_was_met_is_shown_as_good(board: Dashboard, verdict: Verdict) -> None:
    team = board.team()
    board.succeeded(team, report=sample_report(verdict))
    [row] = re.findall(r"<tr data-job.*?</tr>", get(board, team, "/").text, re.DOTALL)
    assert ('class="badge good"' in row) == (verdict is Verdict.MET)
    assert 'data-state="succeeded"' in row


def test_a_budget_that_the_original_met_already_is_not_shown_as_good(board: Dashboard) -> None:
    team, report = board.team(), sample_report(Verdict.MET)
    job = board.succeeded(team, report=report.model_copy(update={"memory_saving": 0.0, "pruned": report.baseline}))
    assert 'class="badge good"' not in get(board, team, "/").text
    page = get(board, team, f"/jobs/{job.id}").text
    assert 'class="verdict good"' not in page
    assert ORIGINAL_IS_DELIVERED[Verdict.MET] in page


def test_the_list_goes_on_page_by_page_and_htmx_gets_rows_alone(board: Dashboard) -> None:
    team = board.team()
    checkpoint = board.ready(team, UploadKind.CHECKPOINT, "a.pth")
    data = board.ready(team, UploadKind.DATASET, "a.npz")
    for number in range(26):
        new = NewJob(checkpoint_id=checkpoint.id, dataset_id=data.id, spec={"budget": BUDGET}, name=f"run {number:02}")
        board.services.jobs.submit(team.id, new)
    first = get(board, team, "/?q=run").text
    assert first.count('id="link-job_') == 25
    second = get(board, team, next_page(first)).text
    assert second.count('id="link-job_') == 1
    assert '<a class="button" href="/?q=run">' in second
    rows = get(board, team, "/?q=run", {"HX-Request": "true"}).text
    assert rows.count('id="link-job_') == 25
    assert "<html" not in rows
    assert get(board, team, "/?cursor=%C3%A9").status_code == 400
