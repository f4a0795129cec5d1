"""One look at the database for everybody who follows a job, however many they are: they wait without a thread each."""

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
GONE = -1
"""Stands for the last event of a job that was deleted."""

LastEvents = Callable[[Collection[str]], Mapping[str, int]]


class Watch:
    """Ids of the last events of the jobs that anybody follows, renewed twice a second while there are any."""

    def __init__(self, last_events: LastEvents) -> None:
        self._last_events = last_events
        self._followed: Counter[str] = Counter()
        self._known: dict[str, int] = {}
        self._told = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def following(self, job_id: str) -> AsyncIterator[None]:
        """Inside, `news` of the job come."""
        self._followed[job_id] += 1
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        try:
            yield
        finally:
            self._followed[job_id] -= 1
            if not self._followed[job_id]:
                del self._followed[job_id]
                self._known.pop(job_id, None)
            if not self._followed:
                await self._rest()

    async def news(self, job_id: str, after: int, seconds: float) -> int | None:
        """Wait until the job has an event behind ``after``, and say which is the last; `GONE` if it was deleted.

        None if nothing happens for ``seconds``.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while 0 <= (last := self._known.get(job_id, after)) <= after:
                    await self._told.wait()
                return last
        return None

    async def _look(self) -> None:
        while True:
            try:
                await self._renew()
            except SQLAlchemyError as error:  # a database that is being restarted, or has no connection left
                log.warning("events_not_read", extra={"reason": str(getattr(error, "orig", error))})
            except Exception:  # nobody else would look again for those who follow
                log.exception("watch_failed")
            told, self._told = self._told, asyncio.Event()
            told.set()
            await asyncio.sleep(POLL_SECONDS)

    async def _renew(self) -> None:
        asked = [*self._followed]
        found = await run_in_threadpool(self._last_events, asked)
        self._known.update({job_id: found.get(job_id, GONE) for job_id in asked if job_id in self._followed})

    async def _rest(self) -> None:
        looking, self._looking = self._looking, None
        if looking is not None:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking
