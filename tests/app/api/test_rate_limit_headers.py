"""Rate limits over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.api import Api, problem
from tests.support.dashboard import BUDGET, Dashboard


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Dashboard]:
    board = Dashboard(tmp_path)
    yield board
    board.close()


def test_every_response_tells_what_is_left_and_too_many_are_refused(tmp_path: Path) -> None:
    board = Dashboard(tmp_path, requests_per_minute=4, anonymous_requests_per_minute=2)
    board.services.limiter.clock = lambda: 1_000_000_040.0  # forty seconds of the minute are left
    team = board.team()
    api, nobody = Api(board, team), Api(board, None)
    for left in (3, 2, 1, 0):
        answer = api.get("/jobs")
        assert answer.headers["ratelimit-policy"] == '"caller";q=4;w=60'
        assert answer.headers["ratelimit"] == f'"caller";r={left};t=40'
    with problem(api.get("/jobs"), 429, "rate_limited"):
        pass
    assert api.get("/jobs").headers["retry-after"] == "40"
    assert Api(board, board.team("theirs")).get("/jobs").status_code == 200
    for status in (401, 401, 429):
        assert nobody.get("/jobs").status_code == status
    assert nobody.get("/plugins").status_code == 429
    assert nobody("GET", "/livez").status_code == 200
    assert "ratelimit" not in nobody("GET", "/livez").headers
    board.services.limiter.clock = lambda: 1_000_000_080.0
    assert api.get("/jobs").headers["ratelimit"] == '"caller";r=3;t=60'
    body = {"checkpoint_id": "upl_0", "dataset_id": "upl_0", "spec": {"budget": BUDGET}}
    with problem(api.post("/jobs", json=body), 404, "not_found"):  # refusals count and tell, too
        pass
    assert api.get("/jobs").headers["ratelimit"] == '"caller";r=1;t=60'
    board.close()
