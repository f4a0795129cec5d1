"""All files of a job as one archive."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime

import pytest

from app.api.bundles import Member, archive, safe_name
from tests.support.api import Api, problem
from tests.support.dashboard import Dashboard, Team

AT = datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC)


def test_the_archive_has_every_file_as_it_is(board: Dashboard, ours: Team, api: Api) -> None:
    job = board.succeeded(ours)
    answer = api.get(f"/jobs/{job.id}/bundle")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert f'filename="{job.id}.zip"' in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as found:
        assert found.testzip() is None
        for artifact in board.services.jobs.artifacts(ours.id, job.id):
            content = found.read(f"{job.id}/{artifact.name}")
            assert content == b"".join(
                board.services.jobs.read(board.services.jobs.artifact(ours.id, job.id, artifact.name))
            )
        assert len(found.namelist()) == len(board.services.jobs.artifacts(ours.id, job.id))


def test_a_job_without_files_and_one_whose_files_are_gone_have_no_archive(
    board: Dashboard, ours: Team, api: Api
) -> None:
    with problem(api.get(f"/jobs/{board.queued(ours).id}/bundle"), 404, "not_found") as refusal:
        assert "queued" in refusal["detail"]
    job = board.succeeded(ours)
    for artifact in board.services.jobs.artifacts(ours.id, job.id):
        board.services.store.delete(board.services.jobs.artifact(ours.id, job.id, artifact.name).blob_key)
    with problem(api.get(f"/jobs/{job.id}/bundle"), 404, "not_found"):
        pass


def test_it_is_written_while_it_is_read() -> None:
    read = 0

    def content() -> list[bytes]:
        nonlocal read
        read += 1
        return [bytes(1000)] * 100

    stream = archive([Member(f"file {number}", 100_000, lambda: iter(content())) for number in range(3)], AT)
    pieces = [next(stream)]
    assert read == 1
    pieces += [*stream]
    assert max(map(len, pieces)) < 3000
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as found:
        assert [entry.file_size for entry in found.infolist()] == [100_000] * 3


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("figures/robustness.png", "figures/robustness.png"), ("../../x", "x"), ("/etc/passwd", "etc/passwd"),
        ("..\\..\\x", "x"), ("C:x\n", "C_x_"), ("a//./b", "a/b"),
    ],
)  # fmt: skip
def test_no_name_leads_out_of_the_folder(name: str, kept: str) -> None:
    assert safe_name(name) == kept
