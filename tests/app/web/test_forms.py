from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anyio
import httpx
import pytest

from app.catalog.states import UploadKind, UploadState
from app.web import forms
from primesvt_client.spec import LARGEST
from tests.support.browsing import browser, get, post
from tests.support.dashboard import Dashboard

HOSTILE = '<img src=x onerror="alert(1)">&</script><script>alert(2)</script>'


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Dashboard]:
    board = Dashboard(tmp_path)
    yield board
    board.close()


def test_uploads_show_what_was_found_or_why_they_were_refused(board: Dashboard) -> None:
    team = board.team()
    board.ready(team, UploadKind.CHECKPOINT, "good.pth")
    board.ready(team, UploadKind.DATASET, "images.npz")
    refused = board.refused(team, "bad.pth", "unsafe_pickle", "it would run code; save the weights as safetensors")
    text = get(board, team, "/uploads").text
    for told in (
        "good.pth",
        "9,320,000 parameters",
        "10,000 samples in 3 classes",
        "unsafe_pickle",
        "it would run code",
    ):
        assert told in text
    assert post(board, team, f"/uploads/{refused.id}/delete").headers["location"] == "/uploads"
    assert "bad.pth" not in get(board, team, "/uploads").text


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
    assert "Choose a file" in missing.text
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
            told = {"kind": "checkpoint", "name": "a.pth", "size_bytes": 6}
            without = await client.post("/uploads/begin", json=told)
            begun = await client.post("/uploads/begin", json=told, headers=token)
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


def test_the_form_of_a_new_job_submits_what_was_typed(board: Dashboard) -> None:
    team = board.team()
    checkpoint = board.ready(team, UploadKind.CHECKPOINT, "a.pth")
    data = board.ready(team, UploadKind.DATASET, "a.npz")
    fields = {
        "checkpoint_id": checkpoint.id, "dataset_id": data.id, "max_accuracy_drop": "2.5", "min_memory_saving": "30",
        "rates": "10, 50", "time_steps": "4", "policy": "prioritized", "name": "My job", "submission": "once",
    }  # fmt: skip
    answer = post(board, team, "/new", fields)
    assert answer.status_code == 303
    assert post(board, team, "/new", fields).headers["location"] == answer.headers["location"]
    job = board.services.jobs.search(team.id).items[0]
    assert job.name == "My job"
    assert job.spec["budget"] == {"max_accuracy_drop": 0.025, "min_memory_saving": 0.3}
    assert job.spec["rates"] == [0.1, 0.5]
    assert job.spec["assumptions"] == {"time_steps": 4}
    other = post(board, team, "/new", fields | {"seed": "7"}).headers["location"]
    assert other != answer.headers["location"]
    like = get(board, team, f"/new?like={job.id}").text
    for told in ('value="2.5"', 'value="30"', 'value="10, 50"', 'value="My job"', '<details class="card" open'):
        assert told in like


def test_the_largest_numbers_are_shown_and_can_be_asked_for_again(board: Dashboard) -> None:
    team = board.team()
    job = board.queued(team, spec={"budget": {"max_parameter_bytes": LARGEST}, "fine_tuning": {"epochs": LARGEST}})
    assert get(board, team, f"/jobs/{job.id}").status_code == 200
    like = get(board, team, f"/new?like={job.id}").text
    assert f'value="{LARGEST >> 20}"' in like
    assert f'value="{LARGEST}"' in like
    refused = post(board, team, "/new", {"max_parameter_mebibytes": "1e300"})
    assert refused.status_code == 422
    assert "less than or equal to" in refused.text


def test_the_form_says_what_is_wrong_and_keeps_what_was_typed_and_sent(board: Dashboard) -> None:
    team = board.team()
    files = {"checkpoint_id_file": ("mine.pth", b"weights")}
    answer = post(
        board, team, "/new", {"max_accuracy_drop": "lots", "min_memory_saving": "120", "rates": "10, x"}, files=files
    )
    assert answer.status_code == 422
    for told in ("a number of points", "numbers of percent", "Choose one, or upload a file", 'value="lots"'):
        assert told in answer.text
    upload = board.services.catalog.search(team.id).items[0]
    assert f'value="{upload.id}" selected' in answer.text
    assert not board.services.jobs.search(team.id).items
    beyond = post(board, team, "/new", {"min_memory_saving": "120"}).text
    assert "less than 1" in beyond
    empty = post(board, team, "/new").text
    assert forms.NO_BUDGET in empty
