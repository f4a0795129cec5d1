"""Webhooks on every database: what is sent, to whom, when again, and until when."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from threading import Event, Thread
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from app.catalog.states import UploadKind
from app.db import now
from app.errors import Conflict, InvalidCursor, NotFound, TooManyWebhooks, WebhookUrlRefused
from app.ids import new_id
from app.jobs.events import move
from app.jobs.models import JobRow
from app.jobs.states import JobState
from app.paging import encode
from app.teams.members import lock_team
from app.teams.service import TeamService
from app.webhooks.models import DeliveryRow, WebhookRow
from app.webhooks.queue import AT_ONCE, GIVE_UP, JITTER, KEPT, TEAM_AT_ONCE, WAITS, DeliveryQueue
from app.webhooks.records import Answer, Delivery, DeliveryClaim, Webhook
from app.webhooks.service import MOST, Changes, WebhookService
from app.webhooks.states import DeliveryState, EventType
from primesvt_client.facts import ResultSummary
from tests.support.receiving import receiver
from tests.support.shop import MODEL, PROBLEM, Shop
from worker.webhook_dispatcher import WebhookDispatcher
from worker.webhook_sender import WebhookSender

URL = "https://hooks.example.org/primesvt"
OK, BAD = Answer(duration_seconds=0.1, status=204), Answer(duration_seconds=0.2, status=500, text="oh no")
GONE = Answer(duration_seconds=0.1, status=410)


@dataclass
class Desk:
    """Webhooks and their deliveries over one database."""

    shop: Shop
    hooks: WebhookService
    queue: DeliveryQueue

    @property
    def team(self) -> str:
        return self.shop.team

    def hook(self, *events: EventType, url: str = URL) -> Webhook:
        return self.hooks.create(self.team, url, events or [*EventType]).webhook

    def sent(self, hook: Webhook, state: DeliveryState | None = None) -> list[Delivery]:
        return [*reversed(self.hooks.deliveries(self.team, hook.id, state, limit=200).items)]

    def claim(self, hook: Webhook) -> DeliveryClaim:
        """The claim on the webhook's next delivery; those of others stay unclaimed."""
        [found] = [one for one in self.queue.claim(1000) if one.webhook_id == hook.id]
        return found

    def set(self, delivery_id: str, **fields: Any) -> None:
        with self.shop.database.session() as session:
            session.execute(update(DeliveryRow).where(DeliveryRow.id == delivery_id).values(**fields))

    def set_hook(self, hook: Webhook, **fields: Any) -> None:
        with self.shop.database.session() as session:
            session.execute(update(WebhookRow).where(WebhookRow.id == hook.id).values(**fields))

    def make_due(self, claim: DeliveryClaim) -> None:
        self.set(claim.delivery_id, not_before=now() - timedelta(seconds=1))

    def get(self, claim: DeliveryClaim) -> Delivery:
        return self.hooks.delivery(self.team, claim.webhook_id, claim.delivery_id)


@pytest.fixture
def desk(shop: Shop) -> Iterator[Desk]:
    yield Desk(shop, WebhookService(shop.database, shop.settings), DeliveryQueue(shop.database))
    with shop.database.session() as session:  # the database is shared: nobody else's messages may be due
        session.query(DeliveryRow).delete()


# --- what is sent


def test_the_end_of_a_job_is_told_once_to_those_who_chose_it(desk: Desk) -> None:
    shop = desk.shop
    everything, failures = desk.hook(), desk.hook(EventType.JOB_FAILED)
    silent = desk.hook(EventType.JOB_SUCCEEDED)
    desk.hooks.change(desk.team, silent.id, Changes(enabled=False))
    shop.asked()  # two uploads
    claim = shop.claimed()  # and two more
    shop.queue.finalize(claim)
    shop.queue.succeed(claim, [MODEL], "met", ResultSummary(memory_saving=0.25))
    failed = shop.claimed()
    shop.queue.fail(failed, PROBLEM)
    queued = shop.queued()
    shop.jobs.cancel(desk.team, queued.id)
    found = desk.sent(everything)
    assert [one.event for one in found if one.event.startswith("job")] == [
        "job.succeeded",
        "job.failed",
        "job.cancelled",
    ]
    assert {one.event for one in found} == {*EventType} - {EventType.UPLOAD_REJECTED}
    assert [one.event for one in desk.sent(failures)] == ["job.failed"]
    assert desk.sent(silent) == []
    [body] = [json.loads(one.body) for one in found if one.event == "job.succeeded"]
    assert (body["type"], body["data"]["id"], body["data"]["verdict"]) == ("job.succeeded", claim.job_id, "met")
    assert body["data"]["summary"] == {"memory_saving": 0.25}
    assert {"type", "timestamp", "data"} == body.keys()


def test_a_refused_upload_is_told_however_it_ends(desk: Desk) -> None:
    hook = desk.hook(EventType.UPLOAD_REJECTED)
    first, second = (desk.shop.upload(UploadKind.DATASET, ready=False) for _ in range(2))
    desk.shop.uploads.refuse(desk.shop.upload_claim(first.id), PROBLEM)
    desk.shop.set_upload(second.id, attempts=99)
    desk.shop.uploads.release(desk.shop.upload_claim(second.id), PROBLEM)
    bodies = [json.loads(one.body)["data"] for one in desk.sent(hook)]
    assert {body["id"]: body["problem"] for body in bodies} == {
        first.id: PROBLEM.document(),
        second.id: PROBLEM.document(),
    }
    assert len(bodies) == 2


def test_what_is_rolled_back_is_not_told(desk: Desk) -> None:
    hook = desk.hook()
    claim = desk.shop.claimed()
    before = desk.sent(hook)
    with Session(desk.shop.database.engine) as session:
        move(session, session.get_one(JobRow, claim.job_id), JobState.FAILED)
        session.flush()
        session.rollback()
    assert desk.sent(hook) == before


def test_other_teams_are_told_nothing(desk: Desk) -> None:
    other = TeamService(desk.shop.database).create_team("others").team_id
    theirs = desk.hooks.create(other, URL, [*EventType]).webhook
    desk.shop.queue.fail(desk.shop.claimed(), PROBLEM)
    assert desk.hooks.deliveries(other, theirs.id).items == ()


def test_a_webhook_that_is_deleted_meanwhile_does_not_keep_a_job_from_ending(desk: Desk) -> None:
    hook, claim = desk.hook(), desk.shop.claimed()
    with desk.shop.uncommitted(lambda: desk.shop.queue.fail(claim, PROBLEM)) as session:
        session.delete(session.get_one(WebhookRow, hook.id, with_for_update={"key_share": True}))
    assert desk.shop.job(claim).state.is_terminal


# --- sending


def ping(desk: Desk, hook: Webhook) -> Delivery:
    return desk.hooks.ping(desk.team, hook.id)


def test_a_delivery_is_claimed_once_and_done_when_it_is_taken(desk: Desk) -> None:
    hook = desk.hook()
    sent = ping(desk, hook)
    with ThreadPoolExecutor(4) as pool:
        claims = [claim for found in pool.map(lambda _: desk.queue.claim(10), range(8)) for claim in found]
    assert [claim.delivery_id for claim in claims] == [sent.id]
    desk.queue.record(claims[0], OK)
    found = desk.get(claims[0])
    assert (found.state, found.attempts, found.next_attempt_at) == (DeliveryState.DELIVERED, 1, None)
    assert [(one.status, one.duration_seconds, one.problem) for one in found.log] == [(204, 0.1, None)]
    assert desk.queue.claim(10) == []


def test_failures_are_tried_again_later_each_time_for_about_a_day(desk: Desk) -> None:
    hook = desk.hook()
    ping(desk, hook)
    waits = []
    for number in range(len(WAITS) + 1):
        claim = desk.claim(hook)
        began = now()
        desk.queue.record(claim, BAD)
        after = desk.get(claim)
        assert after.attempts == number + 1
        if after.next_attempt_at is not None:
            waits.append((after.next_attempt_at - began).total_seconds())
            assert desk.queue.claim(10) == []
            desk.make_due(claim)
    assert (after.state, len(after.log)) == (DeliveryState.FAILED, len(WAITS) + 1)
    assert (after.log[-1].answer, after.log[-1].problem) == ("oh no", "the receiver answered 500")
    assert len(waits) == len(WAITS)
    for waited, wanted in zip(waits, WAITS, strict=True):
        assert (1 - JITTER) * wanted <= waited <= (1 + JITTER) * wanted + 1
    assert 20 * 3600 < sum(WAITS) < 28 * 3600
    assert desk.hooks.get(desk.team, hook.id).enabled


def test_a_sender_that_dies_has_its_message_sent_again_and_what_it_writes_late_is_not_kept(desk: Desk) -> None:
    hook = desk.hook()
    ping(desk, hook)
    late = desk.claim(hook)
    desk.set(late.delivery_id, lease_expires_at=now() - timedelta(seconds=1))
    again = desk.claim(hook)
    assert (again.delivery_id, again.attempt, again.body) == (late.delivery_id, 2, late.body)
    desk.queue.record(late, BAD)
    desk.queue.record(again, OK)
    desk.queue.record(again, BAD)
    assert (desk.get(again).state, len(desk.get(again).log)) == (DeliveryState.DELIVERED, 1)


def test_a_busy_webhook_keeps_no_other_waiting(desk: Desk) -> None:
    slow = desk.hook()
    for _ in range(AT_ONCE + 20):
        ping(desk, slow)
    quick = desk.hook()
    ping(desk, quick)
    claims = desk.queue.claim(8)
    assert [claim.webhook_id for claim in claims].count(slow.id) == AT_ONCE
    assert [claim.webhook_id for claim in claims].count(quick.id) == 1
    assert desk.queue.claim(8) == []
    desk.queue.record(next(claim for claim in claims if claim.webhook_id == slow.id), OK)
    assert desk.claim(slow)


def test_a_team_with_many_slow_webhooks_leaves_senders_to_others(desk: Desk) -> None:
    for _ in range(TEAM_AT_ONCE):
        slow = desk.hook()
        for _ in range(AT_ONCE + 1):
            ping(desk, slow)
    other = TeamService(desk.shop.database).create_team("others").team_id
    theirs = desk.hooks.create(other, URL, [*EventType]).webhook
    waiting = desk.hooks.ping(other, theirs.id)
    first, second = desk.queue.claim(2)
    assert {first.webhook_id, second.webhook_id} > {theirs.id}  # the newest message of all, and the second to be sent
    rest = desk.queue.claim(1000)
    assert len(rest) == TEAM_AT_ONCE - 1
    assert waiting.id not in {claim.delivery_id for claim in rest}
    assert desk.queue.claim(1000) == []
    desk.queue.record(rest[0], OK)
    assert len(desk.queue.claim(1000)) == 1


def test_gone_disables_at_once(desk: Desk) -> None:
    hook = desk.hook()
    ping(desk, hook)
    waiting = ping(desk, hook)
    claims = {claim.delivery_id: claim for claim in desk.queue.claim(10)}
    desk.queue.record(next(claim for claim in claims.values() if claim.delivery_id != waiting.id), GONE)
    found = desk.hooks.get(desk.team, hook.id)
    assert (found.enabled, found.disabled_reason) == (False, "it answered 410 Gone")
    assert {one.state for one in desk.sent(hook)} == {DeliveryState.FAILED}
    desk.queue.record(claims[waiting.id], BAD)  # it was on its way
    assert {one.state for one in desk.sent(hook)} == {DeliveryState.FAILED}
    with pytest.raises(Conflict):
        ping(desk, hook)
    desk.shop.queue.fail(desk.shop.claimed(), PROBLEM)
    assert len(desk.sent(hook)) == 2
    again = desk.hooks.change(desk.team, hook.id, Changes(enabled=True))
    assert (again.enabled, again.disabled_reason, again.failing_since) == (True, None, None)


def test_days_without_a_success_disable(desk: Desk) -> None:
    hook = desk.hook()
    for is_over, expected in ((timedelta(0), True), (GIVE_UP + timedelta(minutes=1), False)):
        ping(desk, hook)
        desk.set_hook(hook, failing_since=now() - is_over)
        desk.queue.record(desk.claim(hook), BAD)
        assert desk.hooks.get(desk.team, hook.id).enabled is expected
    assert "3 days" in (desk.hooks.get(desk.team, hook.id).disabled_reason or "")


def test_a_success_ends_a_time_of_failures(desk: Desk) -> None:
    hook = desk.hook()
    ping(desk, hook)
    desk.queue.record(desk.claim(hook), BAD)
    assert desk.hooks.get(desk.team, hook.id).failing_since is not None
    ping(desk, hook)
    desk.queue.record(desk.claim(hook), OK)
    assert desk.hooks.get(desk.team, hook.id).failing_since is None


# --- again


def test_replays_send_the_same_message_under_the_same_id(desk: Desk) -> None:
    hook = desk.hook()
    ping(desk, hook)
    claim = desk.claim(hook)
    with pytest.raises(Conflict):
        desk.hooks.replay(desk.team, hook.id, claim.delivery_id)
    desk.queue.record(claim, OK)
    assert desk.hooks.replay(desk.team, hook.id, claim.delivery_id).state is DeliveryState.PENDING
    again = desk.claim(hook)
    assert (again.delivery_id, again.body, again.attempt) == (claim.delivery_id, claim.body, 2)
    desk.queue.record(again, BAD)
    assert (desk.get(again).state, len(desk.get(again).log)) == (DeliveryState.PENDING, 2)


def test_all_that_failed_since_a_time_are_sent_again(desk: Desk) -> None:
    hook = desk.hook()
    sent = [ping(desk, hook) for _ in range(4)]
    for one in sent[:3]:
        desk.set(one.id, state="failed", finished_at=now())
    desk.set(sent[0].id, created_at=now() - timedelta(hours=2))
    desk.set(sent[3].id, state="delivered", finished_at=now())
    assert desk.hooks.replay_failed(desk.team, hook.id, now() - timedelta(hours=1)) == 2
    states = {one.id: one.state.value for one in desk.sent(hook)}
    assert [states[one.id] for one in sent] == ["failed", "pending", "pending", "delivered"]


def test_old_deliveries_are_forgotten_and_pending_ones_are_not(desk: Desk) -> None:
    hook = desk.hook()
    old, recent, pending = (ping(desk, hook) for _ in range(3))
    ended = now() - KEPT
    desk.set(old.id, state="delivered", finished_at=ended - timedelta(hours=1))
    desk.set(recent.id, state="failed", finished_at=ended + timedelta(hours=1))
    assert desk.queue.forget_old() == 1
    assert {one.id for one in desk.sent(hook)} == {recent.id, pending.id}


# --- webhooks themselves


def test_secrets_rotate_with_an_overlap(desk: Desk) -> None:
    made = desk.hooks.create(desk.team, URL, [EventType.JOB_FAILED])
    rotated = desk.hooks.rotate(desk.team, made.webhook.id)
    ping(desk, made.webhook)
    claim = desk.claim(made.webhook)
    assert claim.secrets == (rotated.secret, made.secret)
    newest = desk.hooks.rotate(desk.team, made.webhook.id)
    desk.set(claim.delivery_id, lease_expires_at=now() - timedelta(seconds=1))
    assert desk.claim(made.webhook).secrets == (newest.secret, rotated.secret)
    desk.set_hook(made.webhook, previous_secret_until=now() - timedelta(seconds=1))
    desk.set(claim.delivery_id, lease_expires_at=now() - timedelta(seconds=1))
    assert desk.claim(made.webhook).secrets == (newest.secret,)


def test_a_team_has_so_many_webhooks_and_no_more(desk: Desk) -> None:
    for _ in range(MOST):
        desk.hook()
    with pytest.raises(TooManyWebhooks):
        desk.hook()
    desk.hooks.delete(desk.team, desk.hooks.all(desk.team)[0].id)
    desk.hook()


def test_webhooks_made_at_the_same_moment_are_counted(desk: Desk) -> None:
    for _ in range(MOST - 1):
        desk.hook()

    def one_too_many() -> None:
        with pytest.raises(TooManyWebhooks):
            desk.hook()

    with desk.shop.uncommitted(one_too_many) as session:  # the last one that fits is written, not yet committed
        lock_team(session, desk.team)
        session.add(
            WebhookRow(
                id=new_id("whk"), team_id=desk.team, url=URL, description="", events=[], enabled=True, secret="s",
                created_at=now(), updated_at=now(),
            )
        )  # fmt: skip


def test_addresses_are_checked_when_given_and_when_changed(desk: Desk) -> None:
    hook = desk.hook()
    for url in ("http://example.org/", "https://10.0.0.1/"):
        with pytest.raises(WebhookUrlRefused):
            desk.hook(url=url)
        with pytest.raises(WebhookUrlRefused):
            desk.hooks.change(desk.team, hook.id, Changes(url=url))
    changes = Changes(url="https://example.org/x", events=[EventType.JOB_FAILED], description="d")
    found = desk.hooks.change(desk.team, hook.id, changes)
    assert (found.url, found.events, found.description) == (changes.url, (EventType.JOB_FAILED,), "d")
    assert desk.hooks.change(desk.team, hook.id, Changes()).url == changes.url


def test_another_teams_webhooks_do_not_exist(desk: Desk) -> None:
    hook, other = desk.hook(), TeamService(desk.shop.database).create_team("others").team_id
    sent = ping(desk, hook)
    for act in (desk.hooks.get, desk.hooks.delete, desk.hooks.rotate, desk.hooks.ping, desk.hooks.deliveries):
        with pytest.raises(NotFound):
            act(other, hook.id)
    for one in (desk.hooks.delivery, desk.hooks.replay):
        with pytest.raises(NotFound):
            one(other, hook.id, sent.id)
        with pytest.raises(NotFound):
            one(desk.team, desk.hook().id, sent.id)
    with pytest.raises(NotFound):
        desk.hooks.change(other, hook.id, Changes(enabled=False))
    with pytest.raises(NotFound):
        desk.hooks.replay_failed(other, hook.id, now())
    assert desk.hooks.all(other) == []


def test_deliveries_come_a_page_at_a_time(desk: Desk) -> None:
    hook = desk.hook()
    sent = [ping(desk, hook).id for _ in range(5)]
    first = desk.hooks.deliveries(desk.team, hook.id, limit=3)
    rest = desk.hooks.deliveries(desk.team, hook.id, cursor=first.next_cursor, limit=3)
    assert [one.id for one in (*first.items, *rest.items)] == sorted(sent, reverse=True)
    with pytest.raises(InvalidCursor):
        desk.hooks.deliveries(desk.team, hook.id, cursor=encode(hook.id))


# --- the dispatcher


def test_the_dispatcher_delivers_while_a_slow_receiver_takes_its_time(desk: Desk) -> None:
    with receiver() as slow, receiver() as quick:
        slow.hold.clear()
        local = WebhookService(
            desk.shop.database, desk.shop.settings.model_copy(update={"webhook_private_network": True})
        )
        hooks = [local.create(desk.team, one.url(), [EventType.JOB_FAILED]).webhook for one in (slow, quick)]
        for _ in range(6):
            desk.shop.queue.fail(desk.shop.claimed(), PROBLEM)
        stopping, delivered = Event(), Event()
        dispatcher = WebhookDispatcher(desk.queue, WebhookSender(private=True), stopping)
        thread = Thread(target=dispatcher.run)
        thread.start()
        try:
            while len(desk.sent(hooks[1], DeliveryState.DELIVERED)) < 6:
                assert not delivered.wait(0.02)
                assert thread.is_alive()
            assert desk.sent(hooks[0], DeliveryState.DELIVERED) == []
        finally:
            stopping.set()
            slow.hold.set()
            thread.join(20)
        assert not thread.is_alive()
        assert len(slow.received) == AT_ONCE
        assert len(desk.sent(hooks[0], DeliveryState.DELIVERED)) == AT_ONCE


class Broken(WebhookSender):
    """Meets a defect with one webhook's messages."""

    def __init__(self, webhook_id: str) -> None:
        super().__init__(private=True)
        self.webhook_id = webhook_id

    def send(self, claim: DeliveryClaim) -> Answer:
        if claim.webhook_id == self.webhook_id:
            raise ZeroDivisionError
        return super().send(claim)


def test_a_defect_that_one_message_meets_keeps_no_other_from_being_sent(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    with receiver() as quick:
        local = WebhookService(
            desk.shop.database, desk.shop.settings.model_copy(update={"webhook_private_network": True})
        )
        hooks = [local.create(desk.team, quick.url(), [EventType.JOB_FAILED]).webhook for _ in range(2)]
        desk.shop.queue.fail(desk.shop.claimed(), PROBLEM)
        dispatcher = WebhookDispatcher(desk.queue, Broken(hooks[0].id), Event())
        for claim in desk.queue.claim(10):
            dispatcher.deliver(claim)
    assert [len(desk.sent(hook, DeliveryState.DELIVERED)) for hook in hooks] == [0, 1]
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == ["webhook_broken"]


def test_a_dispatcher_that_cannot_go_on_takes_its_process_along(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def claim(_free: int) -> list[DeliveryClaim]:
        raise ZeroDivisionError

    monkeypatch.setattr(desk.queue, "claim", claim)
    dispatcher = WebhookDispatcher(desk.queue, WebhookSender(private=True), Event())
    with pytest.raises(ZeroDivisionError):
        dispatcher.run()
    assert dispatcher.stopping.is_set()
