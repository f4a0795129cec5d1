"""A team's settings."""

from __future__ import annotations

from tests.support.browsing import codes, get, post
from tests.support.dashboard import Dashboard


def test_the_team_is_renamed_and_keeps_data_for_so_long(board: Dashboard) -> None:
    team = board.team()
    assert post(board, team, "/team/settings", {"name": "Vision", "retention_days": "90"}).status_code == 303
    kept = board.services.teams.get(team.id)
    assert (kept.name, kept.retention_days) == ("Vision", 90)
    assert 'value="90"' in get(board, team, "/team/settings").text
    post(board, team, "/team/settings", {"name": "Vision", "retention_days": ""})
    assert board.services.teams.get(team.id).retention_days is None
    for fields in ({"name": " "}, {"name": "x", "retention_days": "0"}, {"name": "x", "retention_days": "soon"}):
        refused = post(board, team, "/team/settings", fields)
        assert refused.status_code == 422
        assert codes(refused.text) == ["invalid"]
