"""Polling of events for all subscribers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionLeft

from app.api.event_polling import DELETED, EventPoller


@pytest.mark.parametrize(
    "error", [OperationalError("", {}, OSError("away")), NoConnectionLeft("none came free"), RuntimeError("a defect")]
)
def test_a_query_that_fails_is_repeated(error: Exception) -> None:
    queries: list[list[str]] = []

    def last_events(job_ids: Any) -> dict[str, int]:
        queries.append([*job_ids])
        if len(queries) == 1:
            raise error
        return {"job_1": 7}

    async def follow() -> None:
        poller = EventPoller(last_events)
        async with poller.subscribed("job_1"), poller.subscribed("job_2"):
            assert await poller.wait_for_event("job_1", 6, 10) == 7
            assert await poller.wait_for_event("job_2", 3, 10) == DELETED
            assert await poller.wait_for_event("job_1", 7, 0.01) is None
        assert poller._polling is None

    asyncio.run(follow())


def test_whoever_follows_in_another_event_loop_is_told_as_well() -> None:
    """The last one may have waited, in vain, for the event that is there now."""
    poller = EventPoller(lambda job_ids: dict.fromkeys(job_ids, 7))

    async def follow(after: int, seconds: float) -> int | None:
        async with poller.subscribed("job_1"):
            return await poller.wait_for_event("job_1", after, seconds)

    assert asyncio.run(follow(7, 0.01)) is None
    assert asyncio.run(follow(6, 10)) == 7
