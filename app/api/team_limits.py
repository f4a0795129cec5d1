"""What a team may do at the same time in one process, so that its requests leave threads and places to other teams."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import ParamSpec, TypeVar

from anyio import CapacityLimiter
from starlette.concurrency import run_in_threadpool

from app.errors import RateLimited

P = ParamSpec("P")
T = TypeVar("T")

RETRY_SECONDS = 5


class Places:
    """So many of something that lasts, for a team and in all; who comes later is refused."""

    def __init__(self, what: str, of_team: int, in_all: int) -> None:
        self.what, self.of_team, self.in_all = what, of_team, in_all
        self.held: Counter[str] = Counter()

    def has_room(self, team: str) -> bool:
        """Whether the team may have one more."""
        return self._refusal(team) is None

    def check(self, team: str) -> None:
        """Make sure that the team may have one more.

        Raises:
            RateLimited: it has as many as it may have, or all are taken.
        """
        refusal = self._refusal(team)
        if refusal is not None:
            raise RateLimited(refusal, RETRY_SECONDS)

    def _refusal(self, team: str) -> str | None:
        if self.held[team] >= self.of_team:
            return f"your team has {self.of_team} {self.what}, and may have no more"
        if self.held.total() >= self.in_all:
            return f"this server has {self.in_all} {self.what}, and can have no more"
        return None

    @contextmanager
    def taken(self, team: str) -> Iterator[None]:
        """One place, while the block runs.

        Raises:
            RateLimited: there is none for the team.
        """
        self.check(team)
        self.held[team] += 1
        try:
            yield
        finally:
            self.held[team] -= 1
            self.held += Counter()  # without those that have none


class TeamThreads:
    """Of each team so many at a time; further ones wait for their own team, and for nobody else's."""

    def __init__(self, of_team: int) -> None:
        self.of_team = of_team
        self._waiting: Counter[str] = Counter()
        self._limiters: dict[str, CapacityLimiter] = {}

    @asynccontextmanager
    async def turn(self, team: str) -> AsyncIterator[None]:
        """One of the team's, when it is free."""
        limiter = self._limiters.setdefault(team, CapacityLimiter(self.of_team))
        self._waiting[team] += 1
        try:
            async with limiter:
                yield
        finally:
            self._waiting[team] -= 1
            if not self._waiting[team]:
                del self._waiting[team], self._limiters[team]

    async def run(self, team: str, act: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
        """``act`` in a thread, when one of the team's is free."""
        async with self.turn(team):
            return await run_in_threadpool(act, *args, **options)
