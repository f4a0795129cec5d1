"""Registered data sets as files that a child can read: exactly that file, as long as it is what was validated."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest

from app.catalog.records import Outside, UploadContent
from app.catalog.states import UploadKind, UploadState
from app.errors import DatasetChanged
from app.settings import Settings
from app.storage.local import LocalStore
from app.storage.outside import checked_location, look
from tests.support.dashboard import Dashboard
from tests.worker.test_inputs import Beats
from tests.worker.test_uploads import zipped
from worker.dataset_watch import DatasetWatch
from worker.outside import fetch
from worker.uploads import UploadRunner


class Place:
    """A registered file, and how a worker fetches it."""

    def __init__(self, folder: Path) -> None:
        self.settings, self.folder = Settings(data_dir=folder / "service"), folder
        self.path = folder / "pool" / "digits.npz"
        self.path.parent.mkdir()
        self.path.write_bytes(b"images")
        self.digest = "6614c76b0fd8e0dc1a5b1ed2bc9ff7fd80e9ec3e2f4cf9c8a3f8e0e3d1f4d5c2"
        self.version: str | None = look(str(self.path), self.settings).version

    def fetched(self) -> Path:
        outside = Outside(str(self.path), len(b"images"), self.version)
        content = UploadContent("", "../digits.npz", self.digest, outside)
        return fetch(LocalStore(self.folder / "blobs"), self.settings, content, self.folder / "inputs", Beats())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_it_is_linked_and_not_copied(place: Place) -> None:
    found = place.fetched()
    assert (found.is_symlink(), found.resolve(), found.parent) == (True, place.path, place.folder / "inputs")


def test_another_time_of_writing_alone_is_no_change(place: Place) -> None:
    place.digest = hashlib.sha256(b"images").hexdigest()
    os.utime(place.path, ns=(1, 1))
    assert place.fetched().read_bytes() == b"images"


def other_bytes(place: Place) -> None:
    place.path.write_bytes(b"image5")
    os.utime(place.path, ns=(1, 1))


def replaced_by_a_link(place: Place) -> None:
    secret = place.folder / "secret"
    secret.write_bytes(b"images")
    place.path.unlink()
    place.path.symlink_to(secret)


def below_a_link(place: Place) -> None:
    shutil.move(place.path.parent, place.folder / "moved")
    place.path.parent.symlink_to(place.folder / "moved")


def replaced_by_a_pipe(place: Place) -> None:
    place.path.unlink()
    os.mkfifo(place.path)


@pytest.mark.parametrize(
    "change",
    [
        lambda place: place.path.write_bytes(b"more images"),
        other_bytes,
        replaced_by_a_link,
        below_a_link,
        replaced_by_a_pipe,
    ],
    ids=["longer", "other bytes", "a link", "below a link", "a pipe"],
)
def test_what_has_changed_is_refused_without_telling_where_it_lies(place: Place, change: object) -> None:
    change(place)  # type: ignore[operator]
    with pytest.raises(DatasetChanged, match="registered data set") as refused:
        place.fetched()
    assert str(place.folder) not in refused.value.message


def test_what_this_worker_cannot_see_may_be_seen_by_another(place: Place) -> None:
    place.path.unlink()
    with pytest.raises(OSError, match="this worker cannot read") as failed:
        place.fetched()
    assert str(place.folder) not in str(failed.value)


class Bucket(BaseHTTPRequestHandler):
    """An object store with one object, as far as reading goes."""

    content, asked = b"", ""

    def do_HEAD(self) -> None:
        self._answer(self.content, 200)

    def do_GET(self) -> None:
        first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
        part = self.content[int(first) : int(last) + 1]
        self._answer(part, 206)
        self.wfile.write(part)

    def _answer(self, part: bytes, status: int) -> None:
        is_there = self.path == "/data-sets/vision/Digits%20%28test%29.npz"
        self.send_response(status if is_there else 404)
        self.send_header("Content-Length", str(len(part)))
        self.send_header("ETag", f'"{hashlib.md5(self.content, usedforsecurity=False).hexdigest()}"')
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def test_an_object_is_fetched_and_held_to_what_was_validated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setattr(Bucket, "content", b"images" * 1000)
    with ThreadingHTTPServer(("127.0.0.1", 0), Bucket) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        settings = Settings(data_dir=tmp_path / "service", s3_endpoint=f"http://127.0.0.1:{server.server_port}")
        location = checked_location("s3://data-sets/vision/Digits (test).npz", settings)
        seen = look(location, settings)
        assert seen.size_bytes == 6000
        digest = hashlib.sha256(Bucket.content).hexdigest()
        content = UploadContent("", "Digits (test).npz", digest, Outside(location, seen.size_bytes, seen.version))
        store = LocalStore(tmp_path / "blobs")
        found = fetch(store, settings, content, tmp_path / "inputs", Beats())
        assert (found.read_bytes(), found.is_symlink()) == (Bucket.content, False)
        monkeypatch.setattr(Bucket, "content", b"others" * 1000)
        assert look(location, settings).version != seen.version
        with pytest.raises(DatasetChanged, match="is not what it was"):
            fetch(store, settings, content, tmp_path / "inputs", Beats())
        gone = replace(content, outside=Outside("s3://data-sets/gone.npz", 1, None))
        with pytest.raises(OSError, match="this worker cannot read the registered data set") as failed:
            fetch(store, settings, gone, tmp_path / "inputs", Beats())
        assert "gone.npz" not in str(failed.value)
        with pytest.raises(FileNotFoundError):
            look("s3://data-sets/gone.npz", settings)
        server.shutdown()


def test_a_worker_validates_it_as_an_upload_of_the_same_bytes(tmp_path: Path) -> None:
    board = Dashboard(tmp_path / "service")
    services, team = board.services, board.team()
    path = tmp_path / "pool" / "set.zip"
    path.parent.mkdir()
    content = zipped()
    path.write_bytes(content)
    path.chmod(0o400)
    copy = board.upload(team, UploadKind.DATASET, "set.zip", content)
    found = services.datasets.add("pictures", str(path), [team.id])
    lost = services.datasets.add("lost", str(tmp_path / "pool" / "nowhere.zip"), None)
    runner = UploadRunner(services.database, services.store, board.settings, "worker", Event())
    for upload_id in (copy.id, found.id):
        assert runner.run(upload_id)
    copied, registered = services.catalog.get(team.id, copy.id), services.datasets.named("pictures")
    assert (registered.state, registered.facts) == (UploadState.READY, copied.facts)
    assert (registered.sha256, registered.size_bytes) == (copied.sha256, copied.size_bytes)
    assert path.read_bytes() == content
    watch = DatasetWatch(services.database, board.settings, "worker", Event())
    seen = watch.look()
    assert (seen[found.id], "nowhere.zip" in seen[lost.id]) == ("", True)
    board.close()
