"""The embedded form's own parts, without starting it."""

from __future__ import annotations

import socket
from pathlib import Path

from app.embedded import Place
from app.embedded.server import _listen


def test_answers_do_not_wait_for_acknowledgements(tmp_path: Path) -> None:
    with _listen(Place(tmp_path, port=0)) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
