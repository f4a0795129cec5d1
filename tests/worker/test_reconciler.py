"""What the reconciler repairs: notifications that were never sent, leases that are not renewed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event
from threading import enumerate as enumerate_threads

import pytest

from app.catalog.states import UploadKind
from app.jobs.service import JobService
from app.jobs.states import JobState
from app.teams.quotas import UNLIMITED
from app.usage.quotas import QuotaAdmission
from app.webhooks.queue import DeliveryQueue
from tests.support.databases import fresh
from tests.support.shop import RecordingNotifier, Shop
from worker.reconciler import Reconciler, dispatching
from worker.webhook_dispatcher import WebhookDispatcher
from worker.webhook_sender import WebhookSender


class Killed(BaseException):
    """The process dies here."""


class DeadNotifier(RecordingNotifier):
    def notify_job(self, job_id: str, forwarded_by: object = ()) -> None:
        raise Killed


class FullNotifier(RecordingNotifier):
    def waiting(self) -> int:
        return 1


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with fresh("sqlite", tmp_path) as database:
        yield Shop(database, tmp_path)


def reconciler(shop: Shop, notifier: RecordingNotifier | None = None) -> Reconciler:
    return Reconciler(shop.database, shop.settings, notifier or shop.notifier)


def test_a_committed_job_is_notified_even_if_the_process_died_before(shop: Shop) -> None:
    asked = shop.asked()
    with pytest.raises(Killed):
        JobService(shop.database, shop.store, DeadNotifier(), QuotaAdmission(UNLIMITED)).submit(shop.team, asked, "key")
    shop.notifier.notified.clear()
    reconciler(shop).reconcile()
    [job_id] = shop.notifier.notified
    again = shop.jobs.submit(shop.team, asked, "key")
    assert (again.id, again.state) == (job_id, JobState.QUEUED)
    assert shop.notifier.notified == [job_id]


def test_the_same_holds_for_uploads(shop: Shop) -> None:
    upload = shop.upload(UploadKind.DATASET, ready=False)
    shop.notifier.notified.clear()
    reconciler(shop).reconcile()
    assert shop.notifier.notified == [upload.id]


def test_nobody_is_notified_while_notifications_wait(shop: Shop) -> None:
    shop.queued()
    notifier = FullNotifier()
    reconciler(shop, notifier).reconcile()
    assert notifier.notified == []


def test_two_reconcilers_take_a_lost_job_back_once(shop: Shop) -> None:
    claim, both = shop.claimed(), [reconciler(shop), reconciler(shop)]
    for watching in both:
        watching.job_leases.clock = lambda: shop.steady_seconds
    for shop.steady_seconds in (0.0, 14.0, 28.0, 31.0):
        for watching in both:
            watching.reconcile()
    assert (shop.job(claim).state, shop.job(claim).attempts) == (JobState.QUEUED, 1)
    states = [event.data["state"] for event in shop.jobs.events(shop.team, claim.job_id) if event.kind == "state"]
    assert states == ["queued", "running", "queued"]


def test_a_reconciler_that_ends_sends_nothing_either(shop: Shop) -> None:
    dispatcher = WebhookDispatcher(DeliveryQueue(shop.database), WebhookSender(private=False), Event())

    def fail() -> None:
        with dispatching(dispatcher):
            assert "webhook-dispatcher" in {thread.name for thread in enumerate_threads()}
            raise Killed

    with pytest.raises(Killed):
        fail()
    assert "webhook-dispatcher" not in {thread.name for thread in enumerate_threads()}
