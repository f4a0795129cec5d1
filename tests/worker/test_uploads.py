"""Looking into an upload: what becomes of its bytes, and what the verdict is."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from PIL import Image

from app.catalog.records import Upload, blob_key
from app.catalog.states import UploadKind, UploadState
from primesvt_client.facts import DataSetFacts
from tests.support.dashboard import Dashboard
from worker import scratch
from worker.postponed import Postponed
from worker.uploads import UploadRunner


def png(mode: str = "RGB", **options: object) -> bytes:
    picture, made = Image.new(mode, (32, 32)), io.BytesIO()
    if mode == "P":
        picture.putpalette([1, 2, 3] * 256)
    picture.save(made, "PNG", **options)
    return made.getvalue()


def zipped() -> bytes:
    """Pictures on which the decoder prints a warning."""
    warned, made = png("P", transparency=bytes(range(256))), io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name in ("a/0.png", "b/1.png"):
            archive.writestr(name, warned)
    return made.getvalue()


def tarred(*names: str) -> bytes:
    """An archive of a system that writes Latin-1."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.GNU_FORMAT, encoding="latin-1") as archive:
        for name in names:
            entry, content = tarfile.TarInfo(name), png()
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return made.getvalue()


def looked_into(folder: Path, name: str, content: bytes, **settings: Any) -> tuple[Upload, bytes]:
    """The upload, and what is stored of it afterwards."""
    board = Dashboard(folder, **settings)
    services, team = board.services, board.team()
    upload = board.upload(team, UploadKind.DATASET, name, content)
    assert UploadRunner(services.database, services.store, board.settings, "worker", Event()).run(upload.id)
    upload = services.catalog.get(team.id, upload.id)
    stored = b"".join(services.store.open(blob_key(upload.id)))
    board.close()
    return upload, stored


@pytest.mark.parametrize("name", ["set.zip", "child.log"])
def test_no_name_makes_a_worker_write_into_what_is_stored(name: str, tmp_path: Path) -> None:
    content = zipped()
    upload, stored = looked_into(tmp_path, name, content)
    assert upload.state is UploadState.READY, upload.problem
    assert stored == content


def test_classes_that_are_no_utf_8_are_read_as_latin_1(tmp_path: Path) -> None:
    upload, _ = looked_into(tmp_path, "set.tar", tarred("caf\xe9/1.png", "bar/2.png"))
    assert upload.state is UploadState.READY, upload.problem
    assert isinstance(upload.facts, DataSetFacts)
    assert upload.facts.classes == ("bar", "caf\xe9")


def flat(side: int = 256, count: int = 16) -> bytes:
    """Pictures of one colour, 200 KB each, of which gzip leaves next to nothing."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for number in range(count):
            picture = io.BytesIO()
            Image.new("RGB", (side, side), (number, 0, 0)).save(picture, "BMP")
            entry = tarfile.TarInfo(f"{'ab'[number % 2]}/{number}.bmp")
            entry.size = len(picture.getvalue())
            archive.addfile(entry, io.BytesIO(picture.getvalue()))
    return made.getvalue()


def test_the_last_picture_is_decoded_before_an_upload_is_ready(tmp_path: Path) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in (("a/0.png", png()), ("b/1.png", png()), ("b/2.png", png()[:-30])):
            archive.writestr(name, content)
    upload, _ = looked_into(tmp_path, "set.zip", made.getvalue())
    assert upload.state is UploadState.REJECTED
    assert upload.problem is not None
    assert upload.problem.code == "data_undecodable"
    assert "b/2.png" in str(upload.problem.detail)


@pytest.mark.parametrize(
    ("settings", "code", "told"),
    [
        ({"team_storage_bytes": 1 << 20}, "storage_quota_exceeded", "may still store"),
        ({"validation_scratch_bytes": 1 << 20}, "too_demanding", "1,048,576 bytes that this server allows"),
    ],
)
def test_what_unpacks_to_more_than_a_team_may_store_is_refused_for_that(
    settings: dict[str, int], code: str, told: str, tmp_path: Path
) -> None:
    """On a volume of its own, of which nothing is left."""
    upload, _ = looked_into(tmp_path / "data", "set.tar.gz", flat(), scratch_dir=str(tmp_path / "scratch"), **settings)
    assert upload.state is UploadState.REJECTED
    assert upload.problem is not None
    assert (upload.problem.code, told in str(upload.problem.detail)) == (code, True)
    assert [path.name for path in (tmp_path / "scratch").iterdir()] == [scratch.LOCK]
    assert not (tmp_path / "data" / "workspaces").exists()


@pytest.mark.parametrize("limit", ["nothing is free", "too little is free"])
def test_a_full_disk_postpones_and_says_nothing_of_the_file(
    limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It costs no attempt, is tried again later each time, and is ready once there is room."""
    board = Dashboard(tmp_path, max_attempts=1)
    services, team, postponed = board.services, board.team(), Postponed()
    upload = board.upload(team, UploadKind.DATASET, "set.tar.gz", flat())
    runner = UploadRunner(services.database, services.store, board.settings, "worker", Event(), postponed=postponed)
    with monkeypatch.context() as patch:
        free = board.settings.keep_free_bytes + (0 if limit == "nothing is free" else 1 << 20)
        patch.setattr("worker.scratch.shutil.disk_usage", lambda _: Usage(free))
        for _ in range(2 * board.settings.max_attempts):
            assert runner.run(upload.id)
            assert not runner.run(upload.id)
            found = services.catalog.get(team.id, upload.id)
            assert (found.state, found.problem) == (UploadState.STORED, None)
            postponed.remove(upload.id)
    assert runner.run(upload.id)
    assert services.catalog.get(team.id, upload.id).state is UploadState.READY
    board.close()


class Usage:
    """Of a disk that has just so much room."""

    def __init__(self, free: int) -> None:
        self.free = free
