"""One query of the last events for all who follow jobs, however many they are: they wait without a thread each."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager, suppress

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
DELETED = -1
"""Stands for the last event of a job that was deleted."""

LastEvents = Callable[[Collection[str]], Mapping[str, int]]


class EventPoller:
    """Ids of the last events of the jobs that have subscribers, read twice a second while there are any."""

    def __init__(self, last_events: LastEvents) -> None:
        self._last_events = last_events
        self._subscribers: Counter[str] = Counter()
        self._last: dict[str, int] = {}
        self._polled = asyncio.Event()
        self._polling: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def subscribed(self, job_id: str) -> AsyncIterator[None]:
        """Inside, the job's last event is read; `wait_for_event` needs it."""
        self._subscribers[job_id] += 1
        if self._polling is None:  # nobody waits for the last one's event, which belongs to the loop of that time
            self._polled, self._polling = asyncio.Event(), asyncio.create_task(self._poll_forever())
        try:
            yield
        finally:
            self._subscribers[job_id] -= 1
            if not self._subscribers[job_id]:
                del self._subscribers[job_id]
                self._last.pop(job_id, None)
            if not self._subscribers:
                await self._stop()

    async def wait_for_event(self, job_id: str, after: int, seconds: float) -> int | None:
        """Wait until the job has an event after ``after``.

        Returns:
            The id of its last event, or `DELETED`; None if nothing happens within ``seconds``.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while 0 <= (last := self._last.get(job_id, after)) <= after:
                    await self._polled.wait()
                return last
        return None

    async def _poll_forever(self) -> None:
        while True:
            try:
                await self._poll()
            except SQLAlchemyError as error:  # a database that is being restarted, or has no connection left
                log.warning("events_not_read", extra={"reason": str(getattr(error, "orig", error))})
            except Exception:  # nobody else would poll again for the subscribers
                log.exception("watch_failed")
            polled, self._polled = self._polled, asyncio.Event()
            polled.set()
            await asyncio.sleep(POLL_SECONDS)

    async def _poll(self) -> None:
        job_ids = [*self._subscribers]
        last = await run_in_threadpool(self._last_events, job_ids)
        self._last.update({job_id: last.get(job_id, DELETED) for job_id in job_ids if job_id in self._subscribers})

    async def _stop(self) -> None:
        polling, self._polling = self._polling, None
        if polling is not None:
            polling.cancel()
            with suppress(asyncio.CancelledError):
                await polling
