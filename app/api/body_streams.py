"""Request bodies as plain iterators, so that domain code need not be asynchronous and memory stays bounded."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio.to_thread
from anyio import CapacityLimiter
from anyio.lowlevel import RunVar
from fastapi import Request

from app.api.team_limits import Places, TeamThreads

T = TypeVar("T")
UPLOAD_THREADS = 64
"""Bodies that are stored at the same time; further ones wait."""

TEAM_THREADS = TeamThreads(UPLOAD_THREADS // 4)
"""The same of one team."""

PLACES = Places("uploads under way", UPLOAD_THREADS, 8 * UPLOAD_THREADS)
"""Bodies that are stored or wait, each of them a connection."""

PULLED_BYTES = 1 << 18
"""Passed from the event loop to a thread at a time: the switch costs as much as receiving four pieces."""

_limiter: RunVar[CapacityLimiter] = RunVar("upload_threads")


class Chunks:
    """A request's body, pulled from the event loop by the thread that stores it."""

    def __init__(self, source: AsyncIterator[bytes], loop: asyncio.AbstractEventLoop) -> None:
        self.source, self.loop = source, loop
        self.rest = b""

    def _next(self) -> bytes:
        async def pull() -> bytes:
            gathered = bytearray()
            while len(gathered) < PULLED_BYTES and (piece := await anext(self.source, b"")):
                gathered += piece
            return bytes(gathered)

        chunk = self.rest or asyncio.run_coroutine_threadsafe(pull(), self.loop).result()
        self.rest = b""
        return chunk

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self._next():
            yield chunk

    def take(self, size: int) -> Iterator[bytes]:
        """The next ``size`` bytes."""
        while size and (chunk := self._next()):
            self.rest = chunk[size:]
            yield chunk[:size]
            size -= len(chunk[:size])


def digested(chunks: Iterable[bytes], digest: hashlib._Hash) -> Iterator[bytes]:
    """The same chunks, which update a digest as they pass."""
    for chunk in chunks:
        digest.update(chunk)
        yield chunk


@asynccontextmanager
async def body_chunks(request: Request) -> AsyncIterator[Chunks]:
    """The body of ``request``."""

    async def filled() -> AsyncIterator[bytes]:
        async for chunk in request.stream():
            if chunk:
                yield chunk

    yield Chunks(filled(), asyncio.get_running_loop())


async def store_body(request: Request, team: str, store: Callable[[Chunks], T]) -> T:
    """Pass the body of a team's ``request`` to ``store`` in a thread.

    Uploads have threads of their own: a few slow ones would otherwise leave none for other requests. A team has a
    quarter of them.

    Raises:
        RateLimited: the team, or all teams, send too many bodies at the same time.
    """
    limiter = _limiter.get(None)
    if limiter is None:
        limiter = CapacityLimiter(UPLOAD_THREADS)
        _limiter.set(limiter)
    with PLACES.taken(team):
        async with TEAM_THREADS.turn(team), body_chunks(request) as chunks:
            return await anyio.to_thread.run_sync(store, chunks, limiter=limiter)
