"""Uploads as files that a child can read."""

from __future__ import annotations

import hashlib
from concurrent.futures import Future
from pathlib import Path
from threading import Event

import pytest

from app.catalog.records import UploadContent
from app.jobs.records import HeartbeatReply
from app.storage.local import LocalStore
from worker import inputs
from worker.heartbeat import LeaseHeartbeat, ShuttingDown
from worker.inputs import ContentChanged, fetch_input, hash_in_thread, run_in_thread, safe_name, wait_for

KEY, BYTES = "uploads/a", b"weights" * 1000


class Elsewhere(LocalStore):
    """A store that lies on no disk of this machine."""

    def local_path(self, key: str) -> Path | None:
        return None


class Beats(LeaseHeartbeat):
    """Renews a lease whenever it is asked to, and counts."""

    def __init__(self) -> None:
        self.count = 0
        super().__init__(self._beat, Event(), every_seconds=0.0, lease_seconds=60)

    def _beat(self, *_: object) -> HeartbeatReply:
        self.count += 1
        return HeartbeatReply(cancel_requested=False)


@pytest.fixture
def beats() -> Beats:
    return Beats()


def content(name: str = "model.pth", sha256: str | None = None) -> UploadContent:
    return UploadContent(name=name, blob_key=KEY, sha256=sha256)


def test_what_lies_on_this_machine_is_linked(tmp_path: Path, beats: Beats) -> None:
    store = LocalStore(tmp_path / "blobs")
    store.put(KEY, [BYTES])
    folder = tmp_path / "inputs"
    folder.mkdir()
    (folder / "of-another-attempt").touch()
    path = fetch_input(store, content("../..\\a model.pth"), folder, beats)
    assert path.parent == folder
    assert path.is_symlink()
    assert path.read_bytes() == BYTES
    assert [*folder.iterdir()] == [path]


@pytest.mark.parametrize("is_verified", [True, False])
def test_what_lies_elsewhere_is_copied_while_the_lease_is_kept(tmp_path: Path, beats: Beats, is_verified: bool) -> None:
    store = Elsewhere(tmp_path / "blobs")
    store.put(KEY, [BYTES])
    digest = hashlib.sha256(BYTES).hexdigest() if is_verified else None
    path = fetch_input(store, content(sha256=digest), tmp_path / "inputs", beats)
    assert not path.is_symlink()
    assert path.read_bytes() == BYTES
    assert beats.count >= 1


def test_what_is_no_longer_what_was_verified_is_refused(tmp_path: Path, beats: Beats) -> None:
    store = Elsewhere(tmp_path / "blobs")
    store.put(KEY, [BYTES])
    verified = hashlib.sha256(b"other bytes").hexdigest()
    with pytest.raises(ContentChanged, match=hashlib.sha256(BYTES).hexdigest()):
        fetch_input(store, content(sha256=verified), tmp_path / "inputs", beats)


def test_a_hash_is_computed_beside_the_work_and_given_up_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beats: Beats
) -> None:
    path = tmp_path / "file"
    path.write_bytes(BYTES)
    with hash_in_thread(path) as digest:
        assert wait_for(digest, beats) == hashlib.sha256(BYTES).hexdigest()
    cancelled: list[bool] = []
    monkeypatch.setattr(inputs, "_sha256_of", lambda _path, event: cancelled.append(event.wait(60)))
    with pytest.raises(KeyError), hash_in_thread(path):
        raise KeyError
    assert cancelled == [True]


def test_the_lease_is_kept_while_a_thread_works(beats: Beats) -> None:
    begun = Event()

    def act() -> None:
        while beats.count < 3:
            begun.wait(0.01)

    run_in_thread(act, beats)
    assert beats.count >= 3


def test_a_shutdown_ends_the_waiting(beats: Beats) -> None:
    beats.stopping.set()
    with pytest.raises(ShuttingDown):
        wait_for(Future[None](), beats)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("model.pth.tar", "model.pth.tar"), ("a b/ü.npz", "a_b_.npz"), ("../../etc/passwd", "_.._etc_passwd"),
        (".hidden", "hidden"), ("...", "upload"), ("", "upload"), ("x" * 200 + ".pth", "x" * 96 + ".pth"),
    ],
)  # fmt: skip
def test_names_of_clients_become_safe(name: str, safe: str) -> None:
    assert safe_name(name) == safe
