"""The list of webhooks."""

from __future__ import annotations

import pytest

from tests.support.browsing import attributes, post
from tests.support.dashboard import Dashboard


@pytest.mark.parametrize(
    "fields", [{"url": "https://127.0.0.1/", "events": "job.failed"}, {"url": "https://example.org/"}]
)
def test_a_webhook_that_may_not_be_is_told_and_what_was_typed_stays(board: Dashboard, fields: dict[str, str]) -> None:
    team = board.team()
    refused = post(board, team, "/team/webhooks", fields)
    assert refused.status_code == 422
    assert f'value="{fields["url"]}"' in refused.text
    assert attributes(refused.text, "data-empty") == ["webhooks"]
