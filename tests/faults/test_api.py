"""An API that is restarted while it is used."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

from app.api.schemas import UploadView
from app.catalog.states import UploadKind, UploadState
from tests.support.fleet import Fleet

SIZE = 64 << 20


def test_an_api_restarted_during_an_upload(team: Fleet, tmp_path: Path) -> None:
    """The client goes on with the parts that are missing, and the bytes are those that were sent."""
    path = tmp_path / "large.bin"
    path.write_bytes(os.urandom(SIZE))
    team.worker()
    [api] = [part for part in team.parts if part.name == "api"]
    found: list[UploadView] = []
    marks = iter((0.2, 0.5, 0.8))
    restart_at = [next(marks) * SIZE]

    def told(done: int, total: int) -> None:
        if done >= restart_at[0]:
            restart_at[0] = next(marks, 2.0) * SIZE
            threading.Thread(target=restart).start()

    def restart() -> None:
        api.kill()
        api.start()

    found.append(team.client.wait_upload(team.client.upload(path, UploadKind.CHECKPOINT, told).id))
    [upload] = found
    assert upload.state is UploadState.READY
    assert restart_at[0] == 2.0 * SIZE, "the API was not restarted three times"
    assert upload.facts is not None
    assert upload.facts["sha256"] == upload.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
