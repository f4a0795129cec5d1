"""The HTTP interface: who may ask what, how refusals look, and what is safe to ask for twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from app import errors
from app.api import readiness
from app.api.problem import STATUS
from app.settings import Settings
from primesvt_client.facts import ProblemFacts
from tests.support.api import JSON, Api, problem
from tests.support.dashboard import BUDGET, Dashboard, Team

CONTENT = bytes(range(250)) * 10


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    found = Dashboard(tmp_path_factory.mktemp("api"), part_bytes=1000, max_upload_bytes=1_000_000)
    yield found
    found.close()


@pytest.fixture(scope="module")
def ours(board: Dashboard) -> Team:
    return board.team("ours")


@pytest.fixture(scope="module")
def api(board: Dashboard, ours: Team) -> Api:
    return Api(board, ours)


@pytest.fixture
def stranger(board: Dashboard) -> Api:
    return Api(board, board.team("theirs"))


def test_another_teams_uploads_cannot_be_used(board: Dashboard, ours: Team, stranger: Api) -> None:
    job = board.queued(ours)
    body = {"checkpoint_id": job.checkpoint_id, "dataset_id": job.dataset_id, "spec": {"budget": BUDGET}}
    with problem(stranger.post("/jobs", json=body), 404, "not_found"):
        pass


def test_a_key_may_expire_at_the_end_of_the_calendar(api: Api) -> None:
    asked = {"name": "for ever", "scopes": ["jobs:read"], "expires_at": "9999-12-31T23:59:59-12:00"}
    made = api.post("/keys", json=asked)
    assert made.status_code == 201
    [expires_at] = [key["expires_at"] for key in api.get("/keys").json() if key["name"] == asked["name"]]
    assert expires_at.startswith("9999-12-30")
    with problem(api.post("/keys", json={**asked, "expires_at": "0001-01-01T00:00:00+14:00"}), 422, "invalid"):
        pass
    for wrong in ("4000000000", 4_000_000_000, "2999-01-01", "2999-01-01T00:00:00", True):
        with problem(api.post("/keys", json={**asked, "expires_at": wrong}), 422, "invalid_request"):
            pass


def test_a_revoked_key_opens_nothing(board: Dashboard) -> None:
    team = board.team("short-lived")
    asked = Api(board, team)
    assert asked.get("/jobs").status_code == 200
    board.services.keys.revoke(team.id, board.services.keys.authenticate(team.secret).key_id or "")
    with problem(asked.get("/jobs"), 401, "invalid_key"):
        pass


def test_every_error_of_the_domains_has_a_status() -> None:
    def below(error: type[Exception]) -> Iterator[type[Exception]]:
        yield error
        for child in error.__subclasses__():
            yield from below(child)

    for error in below(errors.DomainError):
        assert any(parent in STATUS for parent in error.__mro__), error


def test_every_setting_is_described() -> None:
    assert all(field.description for name, field in Settings.model_fields.items() if name != "model_config")


# --- uploads


def create(api: Api, content: bytes = CONTENT, **changes: Any) -> dict[str, Any]:
    body = {"kind": "checkpoint", "name": "a.pth", "size_bytes": len(content), **changes}
    answer = api.post("/uploads", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/api/v1/uploads/{answer.json()['id']}"
    return dict(answer.json())


def part(api: Api, upload: dict[str, Any], number: int, **headers: str) -> httpx.Response:
    size = upload["part_bytes"]
    return api.put(
        f"/uploads/{upload['id']}/parts/{number}", content=CONTENT[(number - 1) * size : number * size], headers=headers
    )


def test_parts_come_in_any_order_and_again(board: Dashboard, api: Api) -> None:
    upload = create(api, sha256=hashlib.sha256(CONTENT).hexdigest())
    assert (upload["state"], upload["parts"]) == ("created", 3)
    for number in (3, 1, 3, 2):
        assert part(api, upload, number).status_code == 200
    assert api.get(f"/uploads/{upload['id']}").json()["received_parts"] == [1, 2, 3]
    for _ in range(2):
        answer = api.post(f"/uploads/{upload['id']}/complete")
        assert (answer.status_code, answer.json()["state"]) == (202, "stored")
    assert board.assembled(upload["id"]) == CONTENT
    with problem(part(api, upload, 1), 409, "upload_closed"):
        pass


def test_a_digest_may_be_announced_while_parts_are_sent(api: Api) -> None:
    upload, sha256 = create(api), hashlib.sha256(CONTENT).hexdigest()
    assert api.put(f"/uploads/{upload['id']}/digest", json={"sha256": sha256.upper()}).json()["sha256"] == sha256
    assert api.get("/uploads", params={"size_bytes": len(CONTENT)}).json()["items"][0]["id"] == upload["id"]
    assert api.get("/uploads", params={"size_bytes": len(CONTENT) + 1}).json()["items"] == []
    with problem(api.put(f"/uploads/{upload['id']}/digest", json={"sha256": "0" * 64}), 422, "digest_mismatch"):
        pass
    for number in range(1, upload["parts"] + 1):
        part(api, upload, number)
    api.post(f"/uploads/{upload['id']}/complete")
    with problem(api.put(f"/uploads/{upload['id']}/digest", json={"sha256": sha256}), 409, "upload_closed"):
        pass


def test_parts_that_do_not_fit_are_refused(api: Api) -> None:
    upload = create(api)
    for number, content in ((4, b"x"), (1, b"x" * 999), (1, b"x" * 1001), (3, b"x" * 1000)):
        with problem(api.put(f"/uploads/{upload['id']}/parts/{number}", content=content), 422, "part_out_of_range"):
            pass
    with problem(part(api, upload, 1, **{"X-Content-SHA256": "0" * 64}), 422, "digest_mismatch"):
        pass
    with problem(api.post(f"/uploads/{upload['id']}/complete"), 409, "upload_incomplete") as told:
        assert "3 of 3 parts are missing" in told["detail"]


def test_completing_at_once_ends_well_and_never_takes_a_claim_back(board: Dashboard, ours: Team, api: Api) -> None:
    upload = create(api)
    for number in (1, 2, 3):
        part(api, upload, number)
    with ThreadPoolExecutor(6) as pool:
        states = [*pool.map(lambda _: board.services.catalog.complete(ours.id, upload["id"]).state.value, range(12))]
    assert set(states) == {"stored"}
    assert board.uploads.claim(upload["id"], "worker") is not None
    assert api.post(f"/uploads/{upload['id']}/complete").json()["state"] == "validating"


def test_a_small_file_goes_in_one_request(board: Dashboard, api: Api) -> None:
    address = "/uploads/whole?kind=dataset&name=a.npz"
    answer = api.post(address, content=CONTENT, headers={"X-Content-SHA256": hashlib.sha256(CONTENT).hexdigest()})
    assert (answer.status_code, answer.json()["state"]) == (202, "stored")
    assert board.assembled(answer.json()["id"]) == CONTENT
    with problem(api.post(address, content=CONTENT, headers={"X-Content-SHA256": "0" * 64}), 422, "digest_mismatch"):
        pass
    assert api.post(address, files={"file": CONTENT}).status_code == 415


def test_too_much_is_refused(api: Api) -> None:
    with problem(
        api.post("/uploads", json={"kind": "dataset", "name": "a", "size_bytes": 2_000_000}), 413, "too_large"
    ):
        pass
    assert api.post("/jobs", content=b" " * (2 << 20), headers=JSON).status_code == 413


# --- jobs


@pytest.fixture
def asked(board: Dashboard, ours: Team) -> dict[str, Any]:
    job = board.queued(ours)
    return {"checkpoint_id": job.checkpoint_id, "dataset_id": job.dataset_id, "spec": {"budget": BUDGET}}


def test_a_job_is_accepted_and_found(api: Api, asked: dict[str, Any]) -> None:
    answer = api.post("/jobs", json={**asked, "name": "mine"})
    assert answer.status_code == 202
    assert answer.headers["retry-after"].isdigit()
    job = api("GET", answer.headers["location"]).json()
    assert (job["name"], job["state"], job["spec"]["budget"]) == ("mine", "queued", BUDGET)


def test_a_client_says_what_weights_cannot_tell_and_which_weights_it_means(api: Api, asked: dict[str, Any]) -> None:
    told = {"assumptions": {"num_heads": 6, "time_steps": 2, "dvs_mode": True}, "container": "state_dict_ema"}
    answer = api.post("/jobs", json={**asked, "spec": {"budget": BUDGET, **told}})
    assert answer.status_code == 202
    spec = api.get(f"/jobs/{answer.json()['id']}").json()["spec"]
    assert {name: spec[name] for name in told} == told


def test_the_same_request_with_the_same_key_makes_one_job(api: Api, asked: dict[str, Any]) -> None:
    first, again = (api.post("/jobs", json=asked, headers={"Idempotency-Key": "k1"}) for _ in range(2))
    assert (first.status_code, again.status_code, first.json()["id"]) == (202, 202, again.json()["id"])
    other = {**asked, "name": "another"}
    with problem(api.post("/jobs", json=other, headers={"Idempotency-Key": "k1"}), 409, "idempotency_conflict"):
        pass
    assert api.post("/jobs", json=asked).json()["id"] != first.json()["id"]


@pytest.mark.parametrize(
    ("spec", "code", "named"),
    [
        ({"budget": {}}, "invalid_spec", "budget"),
        ({"budget": {"max_accuracy_drop": 3}}, "invalid_spec", "max_accuracy_drop"),
        ({"budget": BUDGET, "polcy": "x"}, "invalid_spec", "polcy"),
        ({"budget": BUDGET, "rates": [1.5]}, "invalid_spec", "rates"),
        ({"budget": BUDGET, "policy": "none of ours"}, "", "none of ours"),
        ({"budget": BUDGET, "groups": ["\ud800"]}, "invalid_spec", "spec.groups.0"),
        ({"budget": BUDGET, "assumptions": {"a": "\ud800"}}, "invalid_spec", "spec.assumptions.a"),
        ({"budget": BUDGET, "assumptions": {"\ud800": 1}}, "invalid_spec", "spec.assumptions"),
        ({"budget": BUDGET, "container": "\x00"}, "invalid_spec", "spec.container"),
        ({"budget": {"max_parameter_bytes": 10**400}}, "invalid_spec", "spec.budget.max_parameter_bytes"),
    ],
)
def test_a_wrong_spec_is_refused_and_names_the_field(
    api: Api, asked: dict[str, Any], spec: dict[str, Any], code: str, named: str
) -> None:
    answer = api.post("/jobs", content=json.dumps({**asked, "spec": spec}), headers=JSON)
    assert answer.status_code == 422, answer.text
    told = answer.json()
    assert told["code"] == code or not code
    assert named in json.dumps(told)


def test_lists_give_everything_once(board: Dashboard) -> None:
    team = board.team("with many jobs")
    api, made = Api(board, team), [board.queued(team, f"number {n}").id for n in range(7)]
    found: list[str] = []
    params: dict[str, Any] = {"limit": 3}
    while True:
        page = api.get("/jobs", params=params).json()
        found += [job["id"] for job in page["items"]]
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]
    assert found == made[::-1]
    assert [job["name"] for job in api.get("/jobs", params={"q": "number 4"}).json()["items"]] == ["number 4"]
    assert api.get("/jobs", params={"state": "failed"}).json()["items"] == []


@pytest.mark.parametrize("cursor", ["%00", "x", "a b", "AAAA", "am9iXw", "é", "am9iXzAxa=", ""])
def test_a_cursor_of_somebody_else_is_refused(api: Api, cursor: str) -> None:
    with problem(api.get("/jobs", params={"cursor": cursor}), 400, "invalid_cursor"):
        pass


def test_cancel_and_retry(board: Dashboard, ours: Team, api: Api) -> None:
    job = board.queued(ours)
    assert api.post(f"/jobs/{job.id}/cancel").json()["state"] == "cancelled"
    assert api.post(f"/jobs/{job.id}/cancel").json()["state"] == "cancelled"
    again = api.post(f"/jobs/{job.id}/retry")
    assert (again.status_code, again.json()["retry_of"]) == (202, job.id)
    with problem(api.post(f"/jobs/{again.json()['id']}/retry"), 409, "conflict"):
        pass
    with problem(api.delete(f"/jobs/{again.json()['id']}"), 409, "conflict"):
        pass
    assert api.delete(f"/jobs/{job.id}").status_code == 204
    with problem(api.get(f"/jobs/{job.id}"), 404, "not_found"):
        pass


def test_events_are_told_once_and_again_behind_the_last_one(board: Dashboard, ours: Team, api: Api) -> None:
    job, claim = board.running(ours, told=5)
    board.jobs.fail(claim, ProblemFacts(code="x", detail="y"))
    told = api.get(f"/jobs/{job.id}/events")
    assert told.headers["content-type"].startswith("text/event-stream")
    ids = [int(line.removeprefix("id: ")) for line in told.text.splitlines() if line.startswith("id: ")]
    assert ids == sorted(set(ids))
    assert len(ids) == 1 + 1 + 5 + 1  # queued, running, five reports, failed
    behind = api.get(f"/jobs/{job.id}/events", headers={"Last-Event-ID": str(ids[3])})
    assert [f"id: {number}" for number in ids[4:]] == [x for x in behind.text.splitlines() if x.startswith("id: ")]
    assert api.get(f"/jobs/{job.id}/events", headers={"Last-Event-ID": str(ids[-1])}).status_code == 204


def test_a_wait_ends_with_the_change(board: Dashboard, ours: Team, api: Api) -> None:
    job = board.queued(ours)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(api.get, f"/jobs/{job.id}", headers={"Prefer": "wait=20"})
        board.services.jobs.cancel(ours.id, job.id)
        answer = waiting.result(timeout=10)
    assert answer.json()["state"] == "cancelled"
    assert answer.headers["preference-applied"] == "wait=20"


# --- artifacts


@pytest.fixture(scope="module")
def artifact(board: Dashboard, ours: Team, api: Api) -> tuple[str, bytes]:
    job = board.succeeded(ours)
    address = f"/jobs/{job.id}/artifacts/report.json"
    return address, api.get(address).content


def test_a_download_says_what_it_is(api: Api, artifact: tuple[str, bytes]) -> None:
    address, content = artifact
    answer = api.get(address)
    sha256 = hashlib.sha256(content).hexdigest()
    assert (answer.headers["etag"], answer.headers["content-length"]) == (f'"{sha256}"', str(len(content)))
    assert "attachment" in answer.headers["content-disposition"]
    assert api.get(address, headers={"If-None-Match": f'"{sha256}"'}).status_code == 304
    listed = {a["name"]: a["sha256"] for a in api.get(address.removesuffix("/report.json")).json()}
    assert listed["report.json"] == sha256
    with problem(api.get(address + "x"), 404, "not_found"):
        pass


def test_a_file_that_is_being_deleted_is_not_found(board: Dashboard, ours: Team, api: Api) -> None:
    job = board.succeeded(ours)
    board.services.store.delete(board.services.jobs.artifact(ours.id, job.id, "report.json").blob_key)
    with problem(api.get(f"/jobs/{job.id}/artifacts/report.json"), 404, "not_found"):
        pass


@pytest.mark.parametrize(
    ("asked", "first", "end"),
    [("bytes=0-9", 0, 10), ("bytes=5-", 5, None), ("bytes=-7", -7, None), ("bytes=3-999999999", 3, None)],
)
def test_ranges(api: Api, artifact: tuple[str, bytes], asked: str, first: int, end: int | None) -> None:
    address, content = artifact
    answer = api.get(address, headers={"Range": asked})
    assert (answer.status_code, answer.content) == (206, content[first:end])
    assert answer.headers["content-range"].endswith(f"/{len(content)}")


@pytest.mark.parametrize("asked", ["bytes=9-3", "lines=1-2", "bytes=0-1,3-4", "bytes=-"])
def test_what_is_no_range_of_ours_is_ignored(api: Api, artifact: tuple[str, bytes], asked: str) -> None:
    answer = api.get(artifact[0], headers={"Range": asked})
    assert (answer.status_code, answer.content) == (200, artifact[1])


def test_a_range_beyond_the_end_and_one_of_another_version(api: Api, artifact: tuple[str, bytes]) -> None:
    answer = api.get(artifact[0], headers={"Range": "bytes=999999999-"})
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{len(artifact[1])}")
    answer = api.get(artifact[0], headers={"Range": "bytes=0-3", "If-Range": '"another"'})
    assert (answer.status_code, answer.content) == (200, artifact[1])


# --- operation


def test_the_server_says_how_it_is(board: Dashboard) -> None:
    nobody = Api(board, None)
    assert nobody("GET", "/livez").json()["status"] == "ok"
    assert nobody("GET", "/readyz").json()["checks"] == {"database": True, "storage": True, "broker": True}
    told = nobody("GET", "/metrics").text
    assert 'primesvt_jobs{state="queued"}' in told
    assert "job_0" not in told


def test_a_server_whose_storage_is_gone_is_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "KEPT_SECONDS", 0.0)
    board = Dashboard(tmp_path / "data")
    assert Api(board, None)("GET", "/readyz").status_code == 200
    (tmp_path / "data" / "blobs").rename(tmp_path / "gone")
    assert Api(board, None)("GET", "/readyz").status_code == 503
    board.close()


def test_unknown_addresses_and_methods_are_problems(api: Api) -> None:
    assert api.get("/nothing").headers["content-type"] == "application/problem+json"
    answer = api("PATCH", "/api/v1/jobs")
    assert (answer.status_code, answer.headers["content-type"]) == (405, "application/problem+json")
    assert api.post("/jobs", content=b"{", headers=JSON).status_code == 422
    assert api.get("/jobs/" + "x" * 500).status_code == 404


def test_a_priority_is_given_and_changed(board: Dashboard, ours: Team, api: Api) -> None:
    other = board.queued(ours)
    body = {"checkpoint_id": other.checkpoint_id, "dataset_id": other.dataset_id, "spec": {"budget": BUDGET}}
    job = api.post("/jobs", json={**body, "priority": "low"}).json()
    assert job["priority"] == "low"
    changed = api("PATCH", f"/api/v1/jobs/{job['id']}", json={"priority": "high"})
    assert (changed.status_code, changed.json()["priority"]) == (200, "high")
    assert changed.json()["queue_position"] < board.services.jobs.get(ours.id, other.id).queue_position
    with problem(api("PATCH", f"/api/v1/jobs/{job['id']}", json={"priority": "urgent"}), 422, "invalid_request"):
        pass
    board.services.jobs.cancel(ours.id, job["id"])
    with problem(api("PATCH", f"/api/v1/jobs/{job['id']}", json={"priority": "low"}), 409, "conflict"):
        pass
