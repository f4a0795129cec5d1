"""Bodies that do not arrive: who sends none, or a byte now and then, is answered 408 and disconnected."""

from __future__ import annotations

import asyncio

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATIENCE_SECONDS = 30.0
"""How long a request may wait for its body in all, beside what it has received by then at the slowest rate."""

SLOWEST = 2048
"""Bytes a second."""

TOO_SLOW = f"the body did not arrive: nothing for {PATIENCE_SECONDS:g} s, or less than {SLOWEST:,} bytes a second"


class BodyTimeoutMiddleware:
    """Limits the time that a request waits for its body; the time in which nobody asks for it does not count."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, TimedBody(receive) if scope["type"] == "http" else receive, send)


class TimedBody:
    """What `receive` is replaced by."""

    def __init__(self, receive: Receive) -> None:
        self.receive = receive
        self.left_seconds, self.is_complete = PATIENCE_SECONDS, False

    async def __call__(self) -> Message:
        """The next message.

        Raises:
            HTTPException: 408; the connection is closed with the answer.
        """
        if self.is_complete:  # what follows is that the client goes, whenever it likes
            return await self.receive()
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self.left_seconds):
                message = await self.receive()
        except TimeoutError:
            raise HTTPException(408, TOO_SLOW, headers={"Connection": "close"}) from None
        waited = asyncio.get_running_loop().time() - began
        self.left_seconds += len(message.get("body", b"")) / SLOWEST - waited
        self.is_complete = not message.get("more_body", False)
        return message
