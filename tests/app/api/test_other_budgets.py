"""Other budgets and given plans over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from primesvt_core.workspace import reuse
from tests.support.api import Api, problem
from tests.support.dashboard import BUDGET, Dashboard, Team
from tests.support.finished_runs import by_divergence, finished_on


def another(parent: str, drop: float = 0.02) -> dict[str, Any]:
    return {"parent_id": parent, "spec": {"budget": {"max_accuracy_drop": drop}}}


def test_another_budget_is_a_job_of_its_own_which_names_its_parent(api: Api, board: Dashboard, ours: Team) -> None:
    parent = api.get(f"/jobs/{finished_on(board, ours)}").json()
    answer = api.post("/jobs", json={**another(parent["id"]), "name": "two points"})
    assert answer.status_code == 202, answer.text
    child = api("GET", answer.headers["location"]).json()
    assert (child["name"], child["state"], child["parent_id"]) == ("two points", "queued", parent["id"])
    assert child["spec"]["budget"] == {"max_accuracy_drop": 0.02}
    for name in ("checkpoint_id", "dataset_id", "train_dataset_id"):
        assert child[name] == parent[name]
    assert parent["parent_id"] is None
    listed = api.get("/jobs", params={"parent_id": parent["id"]}).json()["items"]
    assert [job["id"] for job in listed] == [child["id"]]
    with problem(api.delete(f"/jobs/{parent['id']}"), 409, "job_in_use"):
        pass


@pytest.mark.parametrize("path", ["/jobs", "/jobs/preflight"])
def test_what_stands_in_the_way_of_another_budget_has_a_code(
    api: Api, board: Dashboard, ours: Team, other_team: Api, path: str
) -> None:
    parent = finished_on(board, ours)
    with problem(other_team.post(path, json=another(parent)), 404, "not_found"):
        pass
    with problem(api.post(path, json=another(board.queued(ours).id)), 409, "parent_not_finished"):
        pass
    failed = board.failed(ours, "", "worker_lost", "it died")
    with problem(api.post(path, json=another(failed.id)), 409, "parent_not_finished"):
        pass
    with problem(api.post(path, json=another(board.succeeded(ours, report=by_divergence()).id)), 409,
                 "parent_results_gone") as refusal:  # fmt: skip
        assert reuse.FILE in refusal["detail"]
    paper = finished_on(board, ours, curve=board_curve())
    with problem(api.post(path, json=another(paper)), 422, "not_retargetable"):
        pass
    with problem(api.post(path, json={**another(parent), "dataset_id": "upl_1"}), 422, "invalid"):
        pass
    more = {"parent_id": parent, "spec": {"budget": BUDGET}}
    with problem(api.post(path, json=more), 422, "invalid_spec"):
        pass


def board_curve() -> tuple[Any, ...]:
    """Of a policy that goes by accuracy."""
    return tuple(point.model_copy(update={"divergence": None}) for point in by_divergence().curve)


def test_a_budget_that_the_images_cannot_prove_beside_the_other_points_is_refused(
    api: Api, board: Dashboard, ours: Team
) -> None:
    parent = finished_on(board, ours)
    with problem(api.post("/jobs", json=another(parent, 0.0005)), 422, "budget_unprovable"):
        pass
    found = api.post("/jobs/preflight", json=another(parent, 0.0005)).json()
    [told] = found["problems"]
    assert (told["code"], told["field"]) == ("budget_unprovable", "budget.max_accuracy_drop")
    assert api.post("/jobs/preflight", json=another(parent, told["nearest"])).json()["problems"] == []
    assert found["max_memory_saving"] == by_divergence().curve[-1].memory_saving


def test_a_plan_is_carried_out_with_data_and_without(api: Api, board: Dashboard, ours: Team) -> None:
    job = board.queued(ours)
    asked = {"checkpoint_id": job.checkpoint_id, "plan": {"block.*": 0.5}, "spec": {}}
    sliced = api.post("/jobs", json=asked).json()
    assert (sliced["dataset_id"], sliced["plan"], sliced["spec"]["preset"]) == ("", {"block.*": 0.5}, "paper")
    with_data = {**asked, "dataset_id": job.dataset_id, "spec": {"budget": {"max_accuracy_drop": 0.03}}}
    repaired = api.post("/jobs", json=with_data).json()
    assert (repaired["dataset_id"], repaired["spec"]["preset"]) == (job.dataset_id, "deep")
    assert api.post("/jobs/preflight", json=asked).json()["splits"] == []
    assert "plan" not in api.get("/jobs").json()["items"][0]
    with problem(api.post("/jobs", json={**asked, "spec": {"budget": BUDGET}}), 422, "invalid_spec"):
        pass
    with problem(api.post("/jobs", json={**asked, "plan": {"block.*": 1.5}}), 422, "invalid_spec"):
        pass


def test_a_job_without_what_it_needs_is_refused(api: Api, board: Dashboard, ours: Team) -> None:
    job = board.queued(ours)
    for body in ({"spec": {"budget": BUDGET}}, {"checkpoint_id": job.checkpoint_id, "spec": {"budget": BUDGET}}):
        with problem(api.post("/jobs", json=body), 422, "invalid"):
            pass
