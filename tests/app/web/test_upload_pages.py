"""The list of uploads, and uploads by plain forms and by the script."""

from __future__ import annotations

from pathlib import Path

import anyio
import httpx

from app.catalog.states import UploadKind, UploadState
from tests.support.browsing import attributes, browser, codes, get, post
from tests.support.dashboard import Dashboard


def test_uploads_show_what_was_found_or_why_they_were_refused(board: Dashboard) -> None:
    team = board.team()
    board.ready(team, UploadKind.CHECKPOINT, "good.pth")
    board.ready(team, UploadKind.DATASET, "images.npz")
    refused = board.refused(team, "bad.pth", "unsafe_pickle", "it would run code; save the weights as safetensors")
    text = get(board, team, "/uploads").text
    for fact in ("good.pth", "9,320,000", "35.6 MiB", "10,000", "3 classes", "it would run code"):
        assert fact in text
    assert codes(text) == ["unsafe_pickle"]
    assert post(board, team, f"/uploads/{refused.id}/delete").headers["location"] == "/uploads"
    assert "bad.pth" not in get(board, team, "/uploads").text


def test_an_upload_in_use_says_by_which_jobs_and_offers_no_deletion(board: Dashboard) -> None:
    team = board.team()
    jobs = [board.queued(team, "needs it") for _ in range(2)]
    free = board.ready(team, UploadKind.CHECKPOINT, "free.pth")
    text = get(board, team, "/uploads").text
    assert {*attributes(text, "data-using")} == {job.id for job in jobs}
    assert [target for target in attributes(text, "action") if target.endswith("/delete")] == [
        f"/uploads/{free.id}/delete"
    ]
    assert post(board, team, f"/uploads/{jobs[0].checkpoint_id}/delete").status_code == 409


def test_a_plain_form_uploads_a_file_of_several_parts(tmp_path: Path) -> None:
    board = Dashboard(tmp_path, part_bytes=1000)
    team = board.team()
    content = bytes(range(256)) * 10
    answer = post(board, team, "/uploads", {"kind": "dataset"}, files={"file": ("images.npz", content)})
    assert answer.status_code == 303
    upload = board.services.catalog.search(team.id).items[0]
    assert (upload.state, upload.size_bytes, upload.kind) == (UploadState.STORED, 2560, UploadKind.DATASET)
    assert board.assembled(upload.id) == content
    missing = post(board, team, "/uploads", {"kind": "dataset"}, files={"other": ("x", b"")})
    assert missing.status_code == 422
    assert attributes(missing.text, "data-error") == ["file"]
    foreign = post(board, team, "/uploads", {"kind": "dataset"}, is_ours=False, files={"file": ("a.npz", b"x")})
    assert foreign.status_code == 403
    assert len(board.services.catalog.search(team.id).items) == 1
    board.close()


def test_a_form_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    board = Dashboard(tmp_path, max_upload_bytes=10)
    team = board.team()
    answer = post(board, team, "/uploads", {"kind": "dataset"}, headers={"Content-Length": str(1 << 40)})
    assert answer.status_code == 413
    board.close()


def test_the_script_sends_parts_with_the_token_in_a_header(tmp_path: Path) -> None:
    board = Dashboard(tmp_path, part_bytes=4)
    team = board.team()
    token = {"X-Form-Token": board.form_token(team)}

    async def send() -> list[httpx.Response]:
        async with browser(board, team) as client:
            announced = {"kind": "checkpoint", "name": "a.pth", "size_bytes": 6}
            without = await client.post("/uploads/begin", json=announced)
            begun = await client.post("/uploads/begin", json=announced, headers=token)
            address = f"/uploads/{begun.json()['id']}"
            refused = await client.put(f"{address}/parts/1", content=b"abcd")
            parts = [
                await client.put(f"{address}/parts/{number}", content=part, headers=token)
                for number, part in ((1, b"abcd"), (2, b"ef"))
            ]
            return [without, refused, begun, *parts, await client.post(f"{address}/complete", headers=token)]

    without, refused, *answers = anyio.run(send)
    assert (without.status_code, refused.status_code) == (403, 403)
    assert [answer.status_code for answer in answers] == [200] * 4
    assert answers[-1].json()["state"] == "stored"
    board.close()
