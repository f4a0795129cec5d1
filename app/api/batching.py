"""Many who ask the database at the same time, answered by one query.

Whoever asks while a query is under way is answered by the next one, which begins after they asked: nobody is told what
was true before, however many ask, and one connection and one thread serve them all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from starlette.concurrency import run_in_threadpool

K = TypeVar("K")
V = TypeVar("V")


class Round(Generic[K, V]):
    """Those who are answered together."""

    def __init__(self, load: Callable[[set[K]], Mapping[K, V]], previous: asyncio.Task[Mapping[K, V]] | None) -> None:
        self.keys: set[K] = set()
        self.has_begun = False
        self.answers = asyncio.create_task(self._ask(load, previous))

    async def _ask(
        self, load: Callable[[set[K]], Mapping[K, V]], previous: asyncio.Task[Mapping[K, V]] | None
    ) -> Mapping[K, V]:
        if previous is not None:
            await asyncio.wait([previous])
        self.has_begun = True
        return await run_in_threadpool(load, self.keys)


class Batch(Generic[K, V]):
    """Values by key, of ``load``, which is given the keys of everybody who waits."""

    def __init__(self, load: Callable[[set[K]], Mapping[K, V]]) -> None:
        self._load = load
        self._round: Round[K, V] | None = None

    async def get(self, key: K) -> V | None:
        """The value of a key; None if ``load`` knows none. Raises what ``load`` raises."""
        last = self._round
        if last is not None and last.answers.get_loop() is not asyncio.get_running_loop():
            last = None
        if last is None or last.has_begun:
            last = self._round = Round(self._load, last.answers if last and not last.answers.done() else None)
        last.keys.add(key)
        return (await asyncio.shield(last.answers)).get(key)
