"""Errors as pages."""

from __future__ import annotations

from tests.support.browsing import codes, get
from tests.support.dashboard import Dashboard


def test_people_get_pages_of_errors_and_programs_get_problems(board: Dashboard) -> None:
    team = board.team()
    lost = get(board, team, "/nothing")
    assert lost.status_code == 404
    assert codes(lost.text) == ["not_found"]
    assert 'action="/sign-out"' in lost.text
    assert get(board, team, "/nothing", {"Accept": "application/json"}).json()["code"] == "not_found"
    assert get(board, team, "/api/v1/jobs/none").headers["content-type"] == "application/problem+json"


def test_our_own_faults_are_told_without_their_details(board: Dashboard) -> None:
    @board.app.get("/fault")
    def fault() -> None:
        raise RuntimeError("secret detail")

    answer = get(board, None, "/fault")
    assert answer.status_code == 500
    assert codes(answer.text) == ["internal_error"]
    assert "secret detail" not in answer.text
    assert answer.headers["x-frame-options"] == "DENY"
