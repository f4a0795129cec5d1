"""Members and invitations over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.api import Api
from tests.support.browsing import get
from tests.support.dashboard import Dashboard

EMAIL = "ann@example.org"


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Dashboard]:
    board = Dashboard(tmp_path)
    yield board
    board.close()


def test_an_invitation_by_the_api_leads_to_the_public_address(tmp_path: Path) -> None:
    board = Dashboard(tmp_path, public_url="https://primesvt.example.org/")
    api = Api(board, board.team())
    made = api.post("/invitations", json={"email": EMAIL, "role": "viewer"})
    assert made.headers["cache-control"] == "no-store"
    link = made.json()["link"]
    assert link.startswith("https://primesvt.example.org/join/")
    assert get(board, None, httpx.URL(link).path).status_code == 200
    assert link.rsplit("/", 1)[1] not in api.get("/invitations").text
    board.close()
