"""Data sets that the service has already, over HTTP and in the form of a new job."""

from __future__ import annotations

from pathlib import Path

from app.catalog.states import UploadKind
from app.storage.outside import look
from tests.support.api import Api, problem
from tests.support.dashboard import BUDGET, FACTS, Dashboard, Team


def registered(board: Dashboard, folder: Path, teams: list[str] | None) -> str:
    """Id of a data set that is ready."""
    path = folder / "imagenet-val.tar"
    path.write_bytes(b"images")
    found = board.services.datasets.add("ImageNet <val>", str(path), teams)
    claim = board.uploads.claim(found.id, "worker")
    assert claim is not None
    board.uploads.verified(claim, "a" * 64)
    board.uploads.seen(claim, 6, look(str(path), board.settings).version)
    board.uploads.accept(claim, FACTS[UploadKind.DATASET])
    return found.id


def test_a_team_sees_what_it_is_offered_and_not_where_it_lies(
    board: Dashboard, team: Team, api: Api, tmp_path_factory: object
) -> None:
    folder = Path(str(tmp_path_factory.mktemp("pool")))  # type: ignore[attr-defined]
    found = registered(board, folder, [team.id])
    [listed] = api.get("/datasets").json()
    assert (listed["id"], listed["name"], listed["file_name"]) == (found, "ImageNet <val>", "imagenet-val.tar")
    assert api.get(f"/datasets/{found}").json() == listed
    assert listed["facts"]["kind"] if "kind" in (listed["facts"] or {}) else listed["facts"]
    assert str(folder) not in api.get("/datasets").text
    checkpoint = board.ready(team, UploadKind.CHECKPOINT, "a.pth")
    body = {"checkpoint_id": checkpoint.id, "dataset_id": found, "spec": {"budget": BUDGET}}
    assert api.post("/jobs/preflight", json=body).status_code == 200
    answer = api.post("/jobs", json=body)
    assert (answer.status_code, answer.json()["dataset_id"]) == (202, found)
    assert api.get("/uploads").json()["items"][0]["id"] == checkpoint.id
    for other in (api.get("/datasets/dat_00000000000000000000000000"), api.delete(f"/uploads/{found}")):
        with problem(other, 404, "not_found"):
            pass
