"""Lists of jobs, results and comparisons by the API."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.catalog.states import UploadKind
from app.teams.scopes import Scope
from tests.support.api import Api, problem
from tests.support.dashboard import BUDGET, Dashboard, Team


def test_tags_and_a_note_come_with_the_job_and_change_in_any_state(api: Api, board: Dashboard, ours: Team) -> None:
    files = {
        "checkpoint_id": board.ready(ours, UploadKind.CHECKPOINT, "m.pth").id,
        "dataset_id": board.ready(ours, UploadKind.DATASET, "d.npz").id,
    }
    body = {**files, "spec": {"budget": BUDGET}, "tags": ["night", "paper"], "note": "first try"}
    made = api.post("/jobs", json=body)
    assert made.status_code == 202, made.text
    job = made.json()
    assert (job["tags"], job["note"], job["submitter_kind"]) == (["night", "paper"], "first try", "key")
    path = f"/api/v1/jobs/{job['id']}"
    changed = api("PATCH", path, json={"tags": ["day"]}).json()
    assert (changed["tags"], changed["note"], changed["priority"]) == (["day"], "first try", "normal")
    board.services.jobs.cancel(ours.id, job["id"])
    assert api("PATCH", path, json={"note": "", "tags": []}).json()["tags"] == []
    with problem(api("PATCH", path, json={"priority": "high", "tags": ["no"]}), 409, "conflict"):
        assert api.get(f"/jobs/{job['id']}").json()["tags"] == []
    for wrong in ({"tags": ["a,b"]}, {"tags": [""]}, {"tags": ["x" * 41]}, {"note": "x" * 2001}, {"label": 1}):
        assert api("PATCH", path, json=wrong).status_code == 422, wrong
        assert api.post("/jobs", json={**body, **wrong}).status_code == 422, wrong


def test_lists_take_filters_and_sorts_and_the_table_has_the_same_jobs(board: Dashboard) -> None:
    team = board.team("lists")
    api = Api(board, team)
    done = board.succeeded(team, "done")
    board.failed(team, "broken", "x", "y")
    board.services.upkeep.describe(team.id, done.id, tags=["best"])
    [found] = api.get("/jobs?tag=best&verdict=met&sort=saving").json()["items"]
    assert (found["id"], found["budget"], found["family"]) == (done.id, BUDGET, "Spikformer")
    assert (found["checkpoint_name"], found["dataset_name"]) == ("spikformer-cifar10.pth", "cifar10-test.tar.xz")
    first = api.get("/jobs?sort=name&limit=1").json()
    second = api.get("/jobs", params={"sort": "name", "limit": 1, "cursor": first["next_cursor"]}).json()
    assert [page["items"][0]["name"] for page in (first, second)] == ["broken", "done"]
    with problem(api.get("/jobs", params={"sort": "drop", "cursor": first["next_cursor"]}), 400, "invalid_cursor"):
        pass
    table = api.get("/jobs.csv?sort=name")
    assert table.headers["content-type"].startswith("text/csv")
    assert [line.split(",")[1] for line in table.text.splitlines()[1:]] == ['"broken"', '"done"']
    assert len(api.get("/jobs.csv?tag=best").text.splitlines()) == 2
    choices = api.get("/jobs/filters").json()
    assert choices["tags"] == [{"value": "best", "label": "best", "jobs": 1}]
    for wrong in ("sort=size", "order=up", "archived=yes", "verdict=good", "tag=" + "x" * 41):
        assert api.get(f"/jobs?{wrong}").status_code == 422, wrong


def test_some_hundred_jobs_are_archived_by_one_request_or_none(board: Dashboard) -> None:
    team = board.team("archive")
    api = Api(board, team)
    done, waiting = board.succeeded(team, "done").id, board.queued(team, "waiting").id
    with problem(api.post("/jobs/archive", json={"job_ids": [done, waiting]}), 409, "conflict") as refusal:
        assert waiting in refusal["detail"]
    theirs = board.queued(board.team("archive others")).id
    with problem(api.post("/jobs/archive", json={"job_ids": [done, theirs]}), 404, "not_found"):
        pass
    assert len(api.get("/jobs").json()["items"]) == 2
    assert api.post("/jobs/archive", json={"job_ids": [done]}).json() == {"jobs": 1}
    assert [job["id"] for job in api.get("/jobs").json()["items"]] == [waiting]
    assert api.get(f"/jobs/{done}/artifacts").json()
    assert api.get("/results").json()["items"] == []
    assert api.get("/results?archived=only").json()["items"][0]["id"] == done
    for wrong in ([], [f"job_{n}" for n in range(501)], ["../x"]):
        assert api.post("/jobs/archive", json={"job_ids": wrong}).status_code == 422


def test_results_say_which_are_on_the_frontier(board: Dashboard) -> None:
    team = board.team("results")
    api = Api(board, team)
    job = board.succeeded(team, "only")
    found = api.get("/results", params={"max_drop": 0.02, "scale": "absolute"}).json()
    assert found["matching"] == 1
    [one] = found["items"]
    assert (one["id"], one["is_on_frontier"], one["verdict"]) == (job.id, True, "met")
    assert api.get("/results?max_drop=0.001").json() == {"items": [], "matching": 0}
    assert api.get("/results?since=2999-01-01T00:00:00Z").json()["items"] == []
    for wrong in ("max_drop=nan", "max_drop=2", "since=today", "scale=log"):
        assert api.get(f"/results?{wrong}").status_code == 422, wrong


def test_two_to_twenty_jobs_of_the_team_are_compared(board: Dashboard) -> None:
    team, others = board.team("compare"), board.team("compare others")
    api = Api(board, team)
    jobs = [board.succeeded(team, "a").id, board.queued(team, "b", {"budget": {"max_accuracy_drop": 0.01}}).id]
    found = api.get("/jobs/compare", params={"job": jobs}).json()
    assert [job["id"] for job in found["jobs"]] == jobs
    assert "queued" in found["jobs"][1]["note"]
    rows = {(row["section"], row["name"]): row for row in found["rows"]}
    assert rows["spec", "budget.max_accuracy_drop"]["values"] == [0.03, 0.01]
    assert rows["versions", "primesvt"]["differs"]
    assert [curve["job_id"] for curve in found["curves"]] == jobs[:1]
    assert "budget.max_accuracy_drop" in api.get("/jobs/compare.csv", params={"job": jobs}).text
    theirs = board.succeeded(others, "secret name").id
    for wanted in ([jobs[0], theirs], [theirs, jobs[0]], [theirs, theirs + "0"]):
        for path in ("/jobs/compare", "/jobs/compare.csv"):
            with problem(api.get(path, params={"job": wanted}), 404, "not_found") as refusal:
                assert "secret" not in str(refusal)
    for wrong in (jobs[:1], [jobs[0], jobs[0]], [f"job_{n}" for n in range(21)], ["job_1", "Ä"]):
        assert api.get("/jobs/compare", params={"job": wrong}).status_code == 422, wrong


def test_without_the_scope_of_artifacts_no_report_is_read(board: Dashboard) -> None:
    team = board.team("scopes")
    jobs = [board.succeeded(team, name).id for name in "ab"]
    key = board.services.keys.create(team.id, "reader", frozenset({Scope.JOBS_READ}))
    found = Api(board, replace(team, secret=key.secret)).get("/jobs/compare", params={"job": jobs}).json()
    assert found["curves"] == []
    assert {row["section"] for row in found["rows"]} == {"job", "result", "inputs", "spec"}
    assert all("artifacts:read" in job["note"] for job in found["jobs"])


@pytest.mark.parametrize("path", ["/jobs/filters", "/jobs.csv", "/results"])
def test_paths_of_lists_are_not_taken_for_ids(api: Api, path: str) -> None:
    assert api.get(path).status_code == 200


def test_an_upload_in_use_is_not_deleted_and_the_refusal_names_its_jobs(api: Api, board: Dashboard, ours: Team) -> None:
    job = board.queued(ours, "the one that needs it")
    with problem(api.delete(f"/uploads/{job.checkpoint_id}"), 409, "upload_in_use") as refusal:
        assert "the one that needs it" in refusal["detail"]
        assert job.id in refusal["detail"]
    using = api.get("/jobs", params={"upload_id": job.checkpoint_id, "archived": "include"}).json()["items"]
    assert [one["id"] for one in using] == [job.id]
