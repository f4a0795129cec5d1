"""Looking into an upload: what becomes of its bytes, and what the verdict is."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path
from threading import Event

import pytest
from PIL import Image

from app.catalog.records import Upload, blob_key
from app.catalog.states import UploadKind, UploadState
from primesvt_client.facts import DataSetFacts
from tests.support.dashboard import Dashboard
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


def looked_into(folder: Path, name: str, content: bytes) -> tuple[Upload, bytes]:
    """The upload, and what is stored of it afterwards."""
    board = Dashboard(folder)
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
