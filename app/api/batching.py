"""Many who ask the database at the same time, answered by one query.

Whoever asks while a query is under way is answered by the next one, which begins after they asked: nobody gets a value
from before they asked, however many ask, and one connection and one thread serve them all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from starlette.concurrency import run_in_threadpool

K = TypeVar("K")
V = TypeVar("V")

Query = Callable[[set[K]], Mapping[K, V]]


class Batch(Generic[K, V]):
    """Keys that one query is asked for."""

    def __init__(self, query: Query[K, V], previous: asyncio.Task[Mapping[K, V]] | None) -> None:
        self.keys: set[K] = set()
        self.has_begun = False
        self.values = asyncio.create_task(self._run(query, previous))

    async def _run(self, query: Query[K, V], previous: asyncio.Task[Mapping[K, V]] | None) -> Mapping[K, V]:
        if previous is not None:
            await asyncio.wait([previous])
        self.has_begun = True
        return await run_in_threadpool(query, self.keys)


class BatchLoader(Generic[K, V]):
    """Values by key, of ``query``, which is given the keys of all who wait; one query at a time."""

    def __init__(self, query: Query[K, V]) -> None:
        self._query = query
        self._batch: Batch[K, V] | None = None

    async def load(self, key: K) -> V | None:
        """The value of a key; None if ``query`` has none. Raises what ``query`` raises."""
        batch = self._batch
        if batch is not None and batch.values.get_loop() is not asyncio.get_running_loop():
            batch = None
        if batch is None or batch.has_begun:
            batch = self._batch = Batch(self._query, batch.values if batch and not batch.values.done() else None)
        batch.keys.add(key)
        return (await asyncio.shield(batch.values)).get(key)
