"""Of one sender a few requests at a time are begun; further ones wait for their sender's turn, and for nobody else's.

A thousand requests that come at once keep the process busy for a second or two. Answered in the order of their coming,
everybody would wait as long; so only those wait that came with them. A request has its turn until its answer begins, or
for a moment where that takes long: what streams, or waits for a change, has caps of its own (`app.api.team_limits`).
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Hashable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api import problem

TOO_MANY = 429
AT_ONCE = 4
"""Requests of one sender."""

LONGEST_SECONDS = 0.25
"""How long one that is not answered yet keeps others of its sender waiting."""

MOST_SECONDS = 5.0
"""How long a refusal counts for the same requests that wait behind it."""

DETAIL = "refused as the same request was before it; wait as long as Retry-After says"
What = tuple[str, str]
"""Method and path of a request."""


@dataclass(frozen=True)
class Refusal:
    """A request was one too many.

    Attributes:
        until: when it ends, by the loop's clock.
        retry_after: seconds, as the client was told.
    """

    until: float
    retry_after: str


class FairRequestsMiddleware:
    """Holds back what one sender sends at once.

    Where one of these is refused, those that ask for the same and wait behind it are refused without being looked at.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app, self.turns = app, Turns(AT_ONCE)
        self.refusals: dict[Hashable, dict[What, Refusal]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        sender, what, loop = sender_of(scope), (scope["method"], scope["path"]), asyncio.get_running_loop()
        has_waited = await self.turns.come(sender)
        turn = Turn(self.turns, sender)
        patience = loop.call_later(LONGEST_SECONDS, turn.end)

        async def answer(message: Message) -> None:
            if message.get("status") == TOO_MANY:
                retry_after = Headers(raw=message["headers"]).get("retry-after", "1")
                self.refusals.setdefault(sender, {})[what] = Refusal(loop.time() + MOST_SECONDS, retry_after)
            turn.end()
            await send(message)

        try:
            refusal = self.refusals.get(sender, {}).get(what) if has_waited else None
            if refusal and loop.time() < refusal.until:
                headers = {"Retry-After": refusal.retry_after}
                refused = problem.answer(Request(scope), TOO_MANY, "rate_limited", DETAIL, headers=headers)
                await refused(scope, receive, send)
            else:
                await self.app(scope, receive, answer)
        finally:
            patience.cancel()
            turn.end()
            if sender not in self.turns.begun:
                self.refusals.pop(sender, None)


def sender_of(scope: Scope) -> Hashable:
    """Whose request it is, before anybody is asked: its key, its cookies, or the address that it comes from."""
    headers = Headers(scope=scope)
    client = scope.get("client")
    return headers.get("authorization") or headers.get("cookie") or (client[0] if client else None)


class Turn:
    """One request's, which ends once."""

    def __init__(self, turns: Turns, sender: Hashable) -> None:
        self.turns, self.sender, self.is_over = turns, sender, False

    def end(self) -> None:
        """Let the sender's next request begin."""
        if not self.is_over:
            self.is_over = True
            self.turns.go(self.sender)


class Turns:
    """So many of every sender at a time, in the order in which they came."""

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once
        self.begun: Counter[Hashable] = Counter()
        self.waiting: dict[Hashable, deque[asyncio.Future[None]]] = {}

    async def come(self, sender: Hashable) -> bool:
        """Wait for the sender's turn; says whether it had to."""
        if self.begun[sender] < self.at_once:
            self.begun[sender] += 1
            return False
        turn = asyncio.get_running_loop().create_future()
        self.waiting.setdefault(sender, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.go(sender)  # it was its turn already
            raise
        return True

    def go(self, sender: Hashable) -> None:
        """End one turn of the sender: the next begins, if one waits."""
        line = self.waiting.get(sender, deque())
        while line:
            turn = line.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.waiting.pop(sender, None)
        self.begun[sender] -= 1
        if not self.begun[sender]:
            del self.begun[sender]
