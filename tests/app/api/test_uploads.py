"""Uploads over HTTP: parts, digests, limits."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from tests.support.api import JSON, Api, problem
from tests.support.dashboard import Dashboard, Team

CONTENT = bytes(range(250)) * 10


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
    with problem(api.post(f"/uploads/{upload['id']}/complete"), 409, "upload_incomplete") as refusal:
        assert "3 of 3 parts are missing" in refusal["detail"]


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
