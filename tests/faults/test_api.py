"""An API that is restarted while it is used."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

from app.catalog.states import UploadState
from primesvt_client.facts import CheckpointFacts
from tests.support.fleet import Fleet
from tests.support.servers import until

SIZE = 64 << 20


def test_an_api_restarted_during_an_upload(team: Fleet, tmp_path: Path) -> None:
    """The client goes on with the parts that are missing, and the bytes are those that were sent."""
    path = tmp_path / "large.bin"
    path.write_bytes(os.urandom(SIZE))
    team.worker()
    [api] = [part for part in team.parts if part.name == "api"]
    marks = [0.8 * SIZE, 0.5 * SIZE, 0.2 * SIZE]
    restarting = threading.Lock()

    def on_progress(done: int, _total: int) -> None:
        with restarting:  # parts are sent at the same time; each restart is over before the next begins
            if marks and done >= marks[-1]:
                marks.pop()
                api.kill()
                api.start()
                until(team.answers, "the API does not start again")

    upload = team.upload_persistently(path, on_progress)
    assert upload.state is UploadState.READY
    assert not marks, "the API was not restarted three times"
    assert isinstance(upload.facts, CheckpointFacts)
    assert upload.facts.sha256 == upload.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
