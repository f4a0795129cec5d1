"""Sending what is due, beside the reconciler: a few at once, so that a slow receiver keeps nobody else waiting."""

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
from worker.sending import Sender

log = logging.getLogger(__name__)

THREADS = 8
POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Postman:
    """Delivers until ``stopping`` is set. Any number of them may run."""

    work: DeliveryQueue
    sender: Sender
    stopping: Event

    def run(self) -> None:
        """Claim and send; what is on its way when it is told to stop is waited for."""
        on_their_way: set[Future[None]] = set()
        with self._ending(), ThreadPoolExecutor(THREADS, thread_name_prefix="webhook") as pool:
            while not self.stopping.is_set():
                on_their_way = {sent for sent in on_their_way if not sent.done()}
                claims = self._claims(THREADS - len(on_their_way))
                on_their_way |= {pool.submit(self.deliver, claim) for claim in claims}
                if not claims:
                    self.stopping.wait(POLL_SECONDS)

    @contextmanager
    def _ending(self) -> Iterator[None]:
        """However it ends, everybody beside it ends too: nobody takes a process for whole that sends nothing."""
        try:
            yield
        finally:
            self.stopping.set()

    def deliver(self, claim: DeliveryClaim) -> None:
        """One attempt, written down. A defect that one message meets keeps no other from being sent."""
        told: dict[str, object] = {"webhook": claim.webhook_id, "delivery": claim.delivery_id, "attempt": claim.attempt}
        try:
            self._deliver(claim, told)
        except Exception:  # the lease runs out, and it is attempted again
            log.exception("webhook_broken", extra=told)

    def _deliver(self, claim: DeliveryClaim, told: dict[str, object]) -> None:
        answer = self.sender.send(claim)
        outcome = "delivered" if is_success(answer) else "failed"
        WEBHOOK_SECONDS.labels(outcome).observe(answer.duration_seconds)
        try:
            self.work.record(claim, answer)
        except DBAPIError as error:  # the lease runs out, and it is sent again
            log.warning("webhook_not_recorded", extra={**told, "reason": str(error.orig)})
            return
        told |= {"event_type": claim.event, "status": answer.status, "reason": answer.problem}
        log.info("webhook_sent", extra={**told, "outcome": outcome})

    def _claims(self, free: int) -> list[DeliveryClaim]:
        try:
            return self.work.claim(free)
        except DBAPIError as error:
            log.warning("webhooks_not_claimed", extra={"reason": str(error.orig)})
            return []
