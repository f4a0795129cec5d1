"""Downloads: ranges, entity tags, digests."""

from __future__ import annotations

import hashlib

import pytest

from tests.support.api import Api, problem
from tests.support.dashboard import Dashboard, Team


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


def test_head_says_what_a_download_would_without_the_bytes(api: Api, artifact: tuple[str, bytes]) -> None:
    address, content = artifact
    whole, head = api.get(address), api("HEAD", f"/api/v1{address}", headers={"Range": "bytes=0-3"})
    assert (head.status_code, head.content) == (200, b"")
    told = ("etag", "content-length", "content-type", "repr-digest", "content-digest", "content-disposition")
    assert {name: head.headers[name] for name in told} == {name: whole.headers[name] for name in told}
    assert head.headers["content-length"] == str(len(content))
    assert api("HEAD", f"/api/v1{address}", headers={"If-None-Match": head.headers["etag"]}).status_code == 304
    assert api("HEAD", f"/api/v1{address}x").status_code == 404
