"""The embedded form's own parts, without starting it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from app.embedded import EmbeddedError, Place
from app.embedded.server import _listen


def test_answers_do_not_wait_for_acknowledgements(tmp_path: Path) -> None:
    with _listen(Place(tmp_path, port=0)) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("host", ["a" * 70, "a..b", "\udcff"])
def test_a_name_that_no_machine_can_have_is_told(tmp_path: Path, host: str) -> None:
    with pytest.raises(EmbeddedError, match=r"cannot listen on .* --host") as refusal:
        _listen(Place(tmp_path, host, port=0))
    assert refusal.value.is_input
