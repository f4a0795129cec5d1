"""Data sets that the service has already, over HTTP and in the form of a new job."""

from __future__ import annotations

from app.catalog.states import UploadKind
from tests.support.api import Api, problem
from tests.support.dashboard import BUDGET, Dashboard, Team


def test_a_team_sees_what_it_is_offered_and_not_where_it_lies(
    board: Dashboard, ours: Team, api: Api, other_team: Api
) -> None:
    found = board.registered([ours.id])
    [listed] = api.get("/datasets").json()
    assert (listed["id"], listed["name"], listed["file_name"]) == (found, "ImageNet <val>", "imagenet-val.tar")
    assert api.get(f"/datasets/{found}").json() == listed
    assert listed["facts"]["samples"] > 0
    assert "-beside" not in api.get("/datasets").text
    checkpoint = board.ready(ours, UploadKind.CHECKPOINT, "a.pth")
    body = {"checkpoint_id": checkpoint.id, "dataset_id": found, "spec": {"budget": BUDGET}}
    assert api.post("/jobs/preflight", json=body).status_code == 200
    answer = api.post("/jobs", json=body)
    assert (answer.status_code, answer.json()["dataset_id"]) == (202, found)
    assert api.get("/uploads").json()["items"][0]["id"] == checkpoint.id
    assert other_team.get("/datasets").json() == []
    hidden, missing = (other_team.get(f"/datasets/{one}") for one in (found, "dat_00000000000000000000000000"))
    for answer in (hidden, missing, other_team.get(f"/uploads/{found}"), api.delete(f"/uploads/{found}")):
        with problem(answer, 404, "not_found"):
            pass
    assert hidden.text.replace(found, "") == missing.text.replace("dat_00000000000000000000000000", "")
