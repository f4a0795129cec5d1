"""Request bodies as ordinary iterators for domain code that is not asynchronous; memory does not grow with them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from fastapi import Request


class Chunks:
    """A request's body, pulled from the event loop by the thread that stores it."""

    def __init__(self, source: AsyncIterator[bytes], loop: asyncio.AbstractEventLoop) -> None:
        self.source, self.loop = source, loop
        self.rest = b""

    def _next(self) -> bytes:
        async def pull() -> bytes:
            return await anext(self.source, b"")

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


@asynccontextmanager
async def body_chunks(request: Request) -> AsyncIterator[Chunks]:
    """The body of ``request``."""

    async def filled() -> AsyncIterator[bytes]:
        async for chunk in request.stream():
            if chunk:
                yield chunk

    yield Chunks(filled(), asyncio.get_running_loop())
