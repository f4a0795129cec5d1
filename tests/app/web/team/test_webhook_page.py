"""One webhook and its deliveries."""

from __future__ import annotations

import html

from sqlalchemy import update

from app.db import now
from app.webhooks.models import WebhookRow
from app.webhooks.queue import GIVE_UP
from app.webhooks.states import DeliveryState, EventType
from tests.support.browsing import attributes, codes, forms_of, get, once, post, text_of
from tests.support.dashboard import Dashboard
from tests.support.matrix import World


def test_a_webhook_is_added_changed_tried_and_deleted(board: Dashboard) -> None:
    team = board.team()
    fields = {"url": "https://example.org/hook", "description": "chat", "events": "job.failed"}
    assert once(post(board, team, "/team/webhooks", fields).text).startswith("whsec_")
    [hook] = board.services.webhooks.all(team.id)
    at = f"/team/webhooks/{hook.id}"
    assert attributes(get(board, team, at).text, "data-empty") == ["deliveries"]
    post(board, team, f"{at}/change", {**fields, "url": "https://example.org/new", "events": "upload.ready"})
    changed = board.services.webhooks.get(team.id, hook.id)
    assert (changed.url, changed.events) == ("https://example.org/new", (EventType.UPLOAD_READY,))
    assert post(board, team, f"{at}/ping").headers["location"] == at
    [message] = board.services.webhooks.deliveries(team.id, hook.id).items
    page = get(board, team, at).text
    assert message.id in page
    assert "pending" in attributes(page, "data-state")
    rows = get(board, team, f"{at}?state=failed", {"HX-Request": "true"}).text
    assert "<html" not in rows
    assert attributes(rows, "data-empty") == ["filtered"]
    assert message.body in html.unescape(get(board, team, f"{at}/deliveries/{message.id}").text)
    assert once(post(board, team, f"{at}/rotate").text).startswith("whsec_")
    post(board, team, f"{at}/switch", {"on": "false"})
    refused = post(board, team, f"{at}/ping")
    assert refused.status_code == 409
    assert codes(refused.text) == ["conflict"]
    assert post(board, team, f"{at}/delete").headers["location"] == "/team/webhooks"
    assert board.services.webhooks.all(team.id) == []


def test_a_failing_webhook_says_when_it_is_disabled(board: Dashboard) -> None:
    team = board.team()
    hook = World(board, team).failed_delivery()["webhook_id"]
    failing = update(WebhookRow).where(WebhookRow.id == hook)
    with board.services.database.session() as session:
        session.execute(failing.values(enabled=True, disabled_reason=None, failing_since=now()))
    assert text_of(get(board, team, f"/team/webhooks/{hook}").text, "data-give-up", "") == f"{GIVE_UP.days} days"


def test_failed_messages_are_sent_again_one_by_one_and_together(board: Dashboard) -> None:
    team = board.team()
    ids = World(board, team).failed_delivery()
    hook, message = ids["webhook_id"], ids["delivery_id"]
    one = f"/team/webhooks/{hook}/deliveries/{message}"

    def state() -> DeliveryState:
        return board.services.webhooks.delivery(team.id, hook, message).state

    assert f"{one}/replay" in forms_of(get(board, team, one).text)
    assert post(board, team, f"{one}/replay").headers["location"] == one
    assert state() is DeliveryState.PENDING
    assert f"{one}/replay" not in forms_of(get(board, team, one).text)
    refused = post(board, team, f"{one}/replay")
    assert refused.status_code == 409
    assert codes(refused.text) == ["conflict"]
    ids = World(board, team).failed_delivery()
    hook, message = ids["webhook_id"], ids["delivery_id"]
    assert state() is DeliveryState.FAILED
    post(board, team, f"/team/webhooks/{hook}/replay")
    assert state() is DeliveryState.PENDING
