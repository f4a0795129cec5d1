"""A service with two teams, one of which sends the requests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.api import Api
from tests.support.dashboard import Dashboard, Team


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    found = Dashboard(tmp_path_factory.mktemp("api"), part_bytes=1000, max_upload_bytes=1_000_000)
    yield found
    found.close()


@pytest.fixture(scope="module")
def ours(board: Dashboard) -> Team:
    return board.team("ours")


@pytest.fixture(scope="module")
def api(board: Dashboard, ours: Team) -> Api:
    return Api(board, ours)


@pytest.fixture
def other_team(board: Dashboard) -> Api:
    return Api(board, board.team("theirs"))
