"""Many who ask at once are answered together, with values from after they asked."""

from __future__ import annotations

import asyncio
import threading

from app.api.batching import BatchLoader


class Slow:
    """Loads squares, a round at a time, each when it is let."""

    def __init__(self) -> None:
        self.rounds: list[set[int]] = []
        self.go = threading.Semaphore(0)

    def __call__(self, keys: set[int]) -> dict[int, int]:
        self.rounds.append(set(keys))
        assert self.go.acquire(timeout=20)
        if 13 in keys:
            raise OSError("no")
        return {key: key * key for key in keys if key >= 0}


def test_who_asks_while_a_query_is_under_way_is_answered_by_the_next() -> None:
    async def ask() -> None:
        query = Slow()
        loader = BatchLoader(query)
        first = asyncio.create_task(loader.load(1))
        while not query.rounds:
            await asyncio.sleep(0)
        others = [asyncio.create_task(loader.load(key)) for key in (1, 2, 3, -1, 2)]
        await asyncio.sleep(0)
        query.go.release()
        assert await first == 1
        query.go.release()
        assert await asyncio.gather(*others) == [1, 4, 9, None, 4]
        assert query.rounds == [{1}, {1, 2, 3, -1}]  # 1 again: it may have changed since

    asyncio.run(asyncio.wait_for(ask(), 30))


def test_a_failure_is_told_to_its_round_alone_and_a_giver_up_takes_nobody_along() -> None:
    async def ask() -> None:
        query = Slow()
        loader = BatchLoader(query)
        query.go.release(10)
        failed = await asyncio.gather(loader.load(13), loader.load(2), return_exceptions=True)
        assert [type(one) for one in failed] == [OSError, OSError]
        cancelled, other = asyncio.create_task(loader.load(4)), asyncio.create_task(loader.load(5))
        await asyncio.sleep(0)
        cancelled.cancel()
        assert await other == 25

    asyncio.run(asyncio.wait_for(ask(), 30))


def test_one_batch_serves_one_event_loop_after_another() -> None:
    query = Slow()
    query.go.release(10)
    loader = BatchLoader(query)
    for key in (2, 3):
        assert asyncio.run(loader.load(key)) == key * key
