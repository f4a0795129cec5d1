"""An API that is restarted while it is used."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from app.api.schemas import UploadView
from app.catalog.states import UploadKind, UploadState
from app.client import ClientError
from app.client.connection import is_passing
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

    def told(done: int, _total: int) -> None:
        with restarting:  # parts are sent at the same time; each restart is over before the next begins
            if marks and done >= marks[-1]:
                marks.pop()
                api.kill()
                api.start()
                until(team.answers, "the API does not start again")

    upload = _persistently(lambda: team.client.upload(path, UploadKind.CHECKPOINT, told))
    upload = team.client.wait_upload(upload.id)
    assert upload.state is UploadState.READY
    assert not marks, "the API was not restarted three times"
    assert upload.facts is not None
    assert upload.facts["sha256"] == upload.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def _persistently(send: Callable[[], UploadView]) -> UploadView:
    """Upload as people do: again, when the client has given up."""
    for _ in range(5):
        try:
            return send()
        except ClientError as error:
            if not is_passing(error):
                raise
    pytest.fail("five attempts were not enough")
