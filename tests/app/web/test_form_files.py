"""Forms with files: the token comes before anything is kept."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from app.web.form_files import MOST_FIELDS
from app.web.routing import LARGEST_FORM_BYTES
from tests.support.browsing import browser, post
from tests.support.dashboard import Dashboard, Team

BOUNDARY = "between"
CONTENT = b"x" * (3 << 20)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The folders of files that forms had."""
    found: list[str] = []
    spool: Any = tempfile.SpooledTemporaryFile

    def noting(max_size: int, dir: str) -> Any:
        found.append(dir)
        return spool(max_size, dir=dir)

    monkeypatch.setattr("app.web.form_files.SpooledTemporaryFile", noting)
    return found


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Dashboard]:
    board = Dashboard(tmp_path / "data", scratch_dir=str(tmp_path / "scratch"))
    yield board
    board.close()


def field(name: str, content: bytes, filename: str = "") -> bytes:
    ending = f'; filename="{filename}"' if filename else ""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{ending}\r\n\r\n'
    return head.encode() + content + b"\r\n"


def send(board: Dashboard, team: Team, address: str, *fields: bytes, **headers: str) -> httpx.Response:
    body = b"".join(fields) + f"--{BOUNDARY}--\r\n".encode()
    kind = f"multipart/form-data; boundary={BOUNDARY}"

    async def ask() -> httpx.Response:
        async with browser(board, team) as client:
            return await client.post(address, content=body, headers={"Content-Type": kind, **headers})

    return anyio.run(ask)


def token(board: Dashboard, team: Team) -> bytes:
    return field("form_token", board.form_token(team).encode())


@pytest.mark.parametrize("address", ["/uploads", "/new"])
@pytest.mark.parametrize("order", ["without", "wrong", "behind"])
def test_no_file_is_kept_of_a_form_without_its_token(
    scratch: Dashboard, kept: list[str], address: str, order: str
) -> None:
    team = scratch.team()
    file = field("file", CONTENT, "a.zip")
    fields = {"without": (file,), "wrong": (field("form_token", b"x"), file), "behind": (file, token(scratch, team))}
    assert send(scratch, team, address, *fields[order]).status_code == 403
    assert kept == []


def test_a_form_of_another_site_is_not_read(scratch: Dashboard, kept: list[str]) -> None:
    team = scratch.team()
    fields = token(scratch, team), field("file", CONTENT, "a.zip")
    assert send(scratch, team, "/uploads", *fields, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert kept == []


def test_files_lie_in_the_scratch_folder_until_they_are_stored(
    scratch: Dashboard, kept: list[str], tmp_path: Path
) -> None:
    team = scratch.team()
    fields = token(scratch, team), field("kind", b"dataset"), field("file", CONTENT, "a.zip")
    assert send(scratch, team, "/uploads", *fields).status_code == 303
    assert scratch.services.catalog.search(team.id).items[0].size_bytes == len(CONTENT)
    assert kept == [str(tmp_path / "scratch")]
    assert [*(tmp_path / "scratch").iterdir()] == []


def test_files_that_the_team_may_not_store_are_not_received(scratch: Dashboard, kept: list[str]) -> None:
    team = scratch.team()
    scratch.services.quotas.change(team.id, {"storage_bytes": 1 << 20})
    fields = token(scratch, team), field("kind", b"dataset"), field("file", CONTENT, "a.zip")
    answer = send(scratch, team, "/uploads", *fields)
    assert (answer.status_code, "may store 1,048,576 more" in answer.text) == (409, True)
    assert kept == []


def test_files_for_which_the_disk_has_no_room_are_not_received(tmp_path: Path, kept: list[str]) -> None:
    board = Dashboard(tmp_path, keep_free_bytes=1 << 60)
    team = board.team()
    fields = token(board, team), field("kind", b"dataset"), field("file", CONTENT, "a.zip")
    answer = send(board, team, "/uploads", *fields)
    assert (answer.status_code, bool(answer.headers["retry-after"]), kept) == (507, True, [])
    board.close()


@pytest.mark.parametrize(
    "fields",
    [
        [field(f"f{n}", b"") for n in range(MOST_FIELDS + 1)],
        [field(f"f{n}", b"x" * 100_000) for n in range(3)],
        [b"--between\r\nno header\r\n\r\n"],
    ],
    ids=["many", "long", "damaged"],
)
def test_the_text_of_a_form_is_bounded(scratch: Dashboard, fields: list[bytes]) -> None:
    team = scratch.team()
    assert send(scratch, team, "/uploads", token(scratch, team), *fields).status_code == 400


def test_a_form_that_is_no_multipart_is_bounded_as_others(scratch: Dashboard) -> None:
    team = scratch.team()
    answer = post(scratch, team, "/new", {"name": "x" * LARGEST_FORM_BYTES})
    assert answer.status_code == 413
    assert post(scratch, team, "/new", {"min_accuracy": "x"}, is_ours=False).status_code == 403
