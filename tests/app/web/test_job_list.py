"""The list of jobs."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import anyio
import httpx
import pytest

from app.catalog.states import UploadKind
from app.jobs.records import NewJob
from app.web.job_list import JOBS_PER_PAGE
from primesvt_client.states import Verdict
from primesvt_client.verdicts import ORIGINAL_IS_DELIVERED
from tests.support.browsing import attributes, browser, codes, get, next_page, post, text_of
from tests.support.dashboard import BUDGET, Dashboard, Team, sample_report


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


def test_a_job_of_the_very_name_that_is_searched_for_comes_first(board: Dashboard) -> None:
    team = board.team()
    exact = board.queued(team, "run 1")
    for place in range(JOBS_PER_PAGE):
        board.queued(team, f"run 1{place}")
    first = get(board, team, "/?q=run+1").text
    shown = attributes(first, "data-job")
    assert (shown[0], len(shown), len({*shown})) == (exact.id, JOBS_PER_PAGE + 1, JOBS_PER_PAGE + 1)
    assert attributes(get(board, team, "/?q=run+1&state=failed").text, "data-empty") == ["filtered"]
    behind = get(board, team, next_page(first)).text
    assert attributes(behind, "data-job") == [exact.id]  # in its place in the order, too
    assert attributes(get(board, team, "/?q=run+10").text, "data-job")[0] != exact.id


def test_ticked_jobs_are_compared_archived_and_brought_back(board: Dashboard) -> None:
    team = board.team()
    done, other, waiting = board.succeeded(team, "done"), board.succeeded(team, "other"), board.queued(team, "waiting")
    two = urlencode({"job": [done.id, other.id]}, doseq=True)
    leads = post_query(board, team, "/jobs/compare", two)
    assert leads.headers["location"] == f"/compare?{two}"
    few = post_query(board, team, "/jobs/compare", f"job={done.id}")
    assert (few.status_code, codes(few.text)) == (409, ["conflict"])
    refused = post_query(board, team, "/jobs/archive", f"{two}&job={waiting.id}&query=q%3Done")
    assert (refused.status_code, codes(refused.text)) == (409, ["conflict"])
    assert post_query(board, team, "/jobs/archive", two + "&query=sort%3Dname").headers["location"] == "/?sort=name"
    assert attributes(get(board, team, "/").text, "data-job") == [waiting.id]
    only = get(board, team, "/?archived=only").text
    assert {*attributes(only, "data-job")} == {done.id, other.id}
    post_query(board, team, "/jobs/unarchive", f"job={done.id}")
    assert attributes(get(board, team, "/?state=succeeded").text, "data-job") == [done.id]
    assert post_query(board, team, "/jobs/archive", "job=%00").status_code == 422


def post_query(board: Dashboard, team: Team, address: str, fields: str) -> httpx.Response:
    """Send a form that has one name several times."""

    async def ask() -> httpx.Response:
        async with browser(board, team) as client:
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            return await client.post(address, content=f"form_token={board.form_token(team)}&{fields}", headers=form)

    return anyio.run(ask)


def test_the_list_shows_filters_by_and_sorts_by_what_jobs_have(board: Dashboard) -> None:
    team = board.team()
    done = board.succeeded(team, "done", spec={"budget": {"max_accuracy_drop": 0.02, "min_memory_saving": 0.25}})
    board.services.upkeep.describe(team.id, done.id, tags=["a & b"], note="<b>seen</b>")
    running, _ = board.running(team, "running")
    text = get(board, team, "/").text
    assert attributes(text, "data-verdict") == ["met"]
    assert attributes(text, "data-tag") == ["a & b"]
    assert "drop ≤ 2 points, saving ≥ 25 %" in text
    assert "&lt;b&gt;seen" in text
    assert "Measure sensitivity per channel group" in text_of(text, "data-progress", "profile")
    assert attributes(get(board, team, "/?tag=a+%26+b").text, "data-job") == [done.id]
    assert attributes(get(board, team, "/?verdict=met&sort=saving").text, "data-job") == [done.id]
    assert attributes(get(board, team, f"/?checkpoint_id={running.checkpoint_id}").text, "data-job") == [running.id]
    by_saving = get(board, team, "/?sort=saving").text
    assert attributes(by_saving, "aria-sort") == ["descending"]
    assert 'href="/?sort=saving&amp;order=asc"' in by_saving
    assert 'href="/api/v1/jobs.csv?sort=saving"' in by_saving
    assert attributes(get(board, team, "/?sort=saving&order=asc").text, "aria-sort") == ["ascending"]
    assert attributes(get(board, team, "/?sort=nonsense&state=nonsense&archived=x").text, "data-job")[0] == running.id


def test_a_comparison_shows_differences_alone_unless_all_rows_are_wanted(board: Dashboard) -> None:
    team, others = board.team("a"), board.team("b")
    jobs = [
        board.succeeded(team, "first"),
        board.succeeded(team, "second", spec={"budget": {"max_accuracy_drop": 0.01}}),
    ]
    query = urlencode({"job": [job.id for job in jobs]}, doseq=True)
    text = get(board, team, f"/compare?{query}").text
    assert attributes(text, "data-compared") == [job.id for job in jobs]
    rows = attributes(text, "data-row")
    assert "spec.budget.max_accuracy_drop" in rows
    assert "versions.primesvt" not in rows
    assert "1.00 points" in text_of(text, "data-row", "spec.budget.max_accuracy_drop")
    whole = get(board, team, f"/compare?{query}&all=1").text
    assert {"versions.primesvt", "result.verdict"} < {*attributes(whole, "data-row")}
    turned = get(board, team, f"/compare?{query}&transposed=1").text
    assert sorted({*attributes(turned, "data-row")}) == sorted(rows)
    assert attributes(turned, "data-row").count("job.name") == 2
    theirs = board.succeeded(others, "a secret")
    assert get(board, team, f"/compare?{query}&job={theirs.id}").status_code == 404
    assert get(board, team, "/compare").status_code == 422
    assert codes(get(board, team, f"/compare?job={jobs[0].id}").text) == ["invalid"]


def test_tags_and_the_note_change_on_the_jobs_page_and_for_the_team_alone(board: Dashboard) -> None:
    team, others = board.team("a"), board.team("b")
    job = board.queued(team)
    assert post(board, team, f"/jobs/{job.id}/notes", {"tags": " x , y,,x", "note": "a\r\nb"}).status_code == 303
    found = board.services.jobs.get(team.id, job.id)
    assert (found.tags, found.note) == (("x", "y"), "a\nb")
    page = get(board, team, f"/jobs/{job.id}").text
    assert attributes(page, "data-tag") == ["x", "y"]
    assert post(board, others, f"/jobs/{job.id}/notes", {"tags": "theirs"}).status_code == 404
    assert post(board, team, f"/jobs/{job.id}/notes", {"tags": "x"}, is_ours=False).status_code == 403
    assert post_query(board, others, "/jobs/archive", f"job={job.id}").status_code == 409
    assert board.services.jobs.get(team.id, job.id) == found
    fields = {"checkpoint_id": job.checkpoint_id, "dataset_id": job.dataset_id, "max_accuracy_drop": "3"}
    made = post(board, team, "/new", {**fields, "tags": "from the form", "note": "n"}).headers["location"]
    assert board.services.jobs.get(team.id, made.rsplit("/", 1)[1]).tags == ("from the form",)
