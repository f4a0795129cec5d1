"""Sends the deliveries that are due, beside the reconciler: a few at once, so that a slow receiver delays no other."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event

from sqlalchemy.exc import DBAPIError

from app.metrics import WEBHOOK_SECONDS
from app.webhooks.queue import DeliveryQueue, is_success
from app.webhooks.records import DeliveryClaim
from worker.webhook_sender import WebhookSender

log = logging.getLogger(__name__)

THREADS = 32
"""A team may use a quarter of them (`app.webhooks.queue.TEAM_AT_ONCE`); most wait for receivers."""

POLL_SECONDS = 1.0


@dataclass(frozen=True)
class WebhookDispatcher:
    """Delivers until ``stopping`` is set. Any number may run."""

    work: DeliveryQueue
    sender: WebhookSender
    stopping: Event

    def run(self) -> None:
        """Claim and send; waits for what is in flight when it is stopped."""
        in_flight: set[Future[None]] = set()
        with self._stop_process_at_end(), ThreadPoolExecutor(THREADS, thread_name_prefix="webhook") as pool:
            while not self.stopping.is_set():
                in_flight = {sent for sent in in_flight if not sent.done()}
                claims = self._claims(THREADS - len(in_flight))
                in_flight |= {pool.submit(self.deliver, claim) for claim in claims}
                if not claims:
                    self.stopping.wait(POLL_SECONDS)

    @contextmanager
    def _stop_process_at_end(self) -> Iterator[None]:
        """However it ends, the rest of the process ends too: a reconciler that sends nothing must not look healthy."""
        try:
            yield
        finally:
            self.stopping.set()

    def deliver(self, claim: DeliveryClaim) -> None:
        """One attempt, recorded. A defect that one message meets keeps no other from being sent."""
        fields: dict[str, object] = {
            "webhook": claim.webhook_id,
            "delivery": claim.delivery_id,
            "attempt": claim.attempt,
        }
        try:
            self._deliver(claim, fields)
        except Exception:  # the lease runs out, and it is attempted again
            log.exception("webhook_broken", extra=fields)

    def _deliver(self, claim: DeliveryClaim, fields: dict[str, object]) -> None:
        answer = self.sender.send(claim)
        outcome = "delivered" if is_success(answer) else "failed"
        WEBHOOK_SECONDS.labels(outcome).observe(answer.duration_seconds)
        try:
            self.work.record(claim, answer)
        except DBAPIError as error:  # the lease runs out, and it is sent again
            log.warning("webhook_not_recorded", extra={**fields, "reason": str(error.orig)})
            return
        fields |= {"event_type": claim.event, "status": answer.status, "reason": answer.problem}
        log.info("webhook_sent", extra={**fields, "outcome": outcome})

    def _claims(self, free: int) -> list[DeliveryClaim]:
        try:
            return self.work.claim(free)
        except DBAPIError as error:
            log.warning("webhooks_not_claimed", extra={"reason": str(error.orig)})
            return []
