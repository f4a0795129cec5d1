"""Requests that come at once: each sender's wait for their own, and all are answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from starlette.types import Message, Receive, Scope, Send

from app.api import fair_requests
from app.api.fair_requests import AT_ONCE, FairRequestsMiddleware

Act = Callable[[Scope], Awaitable[None]]


def asked(key: str, number: int = 0, path: str = "/") -> dict[str, Any]:
    headers = [(b"authorization", key.encode())]
    return {
        "type": "http",
        "method": "GET",
        "path": path,
        "headers": headers,
        "client": ("10.0.0.1", 1),
        "number": number,
    }


async def no_body() -> Message:
    return {"type": "http.disconnect"}


async def nowhere(_message: Message) -> None:
    pass


def serving(act: Act) -> FairRequestsMiddleware:
    """An application that acts and then answers."""

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        await act(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})

    return FairRequestsMiddleware(app)


def test_whoever_sends_many_keeps_nobody_else_waiting() -> None:
    async def ask() -> None:
        release, begun = asyncio.Event(), list[str]()

        async def act(scope: Scope) -> None:
            key = scope["headers"][0][1].decode()
            begun.append(f"{key}{scope['number']}")
            if key == "many":
                await release.wait()

        served = serving(act)
        many = [asyncio.create_task(served(asked("many", n), no_body, nowhere)) for n in range(3 * AT_ONCE)]
        await asyncio.sleep(0)
        await served(asked("one"), no_body, nowhere)
        assert begun == [*(f"many{n}" for n in range(AT_ONCE)), "one0"]
        release.set()
        await asyncio.gather(*many)
        assert begun[AT_ONCE + 1 :] == [f"many{n}" for n in range(AT_ONCE, 3 * AT_ONCE)]
        assert not served.turns.begun
        assert not served.turns.waiting

    anyio.run(ask)


def test_an_answer_that_takes_long_keeps_others_for_a_moment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fair_requests, "LONGEST_SECONDS", 0.01)

    async def ask() -> None:
        release, begun = asyncio.Event(), list[int]()

        async def act(scope: Scope) -> None:
            begun.append(scope["number"])
            await release.wait()

        served = serving(act)
        many = [asyncio.create_task(served(asked("many", n), no_body, nowhere)) for n in range(2 * AT_ONCE + 1)]
        with anyio.fail_after(10):
            while len(begun) < len(many):
                await asyncio.sleep(0.01)
        release.set()
        await asyncio.gather(*many)
        assert not served.turns.begun

    anyio.run(ask)


def test_what_fails_or_is_given_up_leaves_its_turn() -> None:
    async def ask() -> None:
        release = asyncio.Event()

        async def act(scope: Scope) -> None:
            await release.wait()
            if scope["number"] == 0:
                raise ValueError("broken")

        served = serving(act)
        many = [asyncio.create_task(served(asked("many", n), no_body, nowhere)) for n in range(AT_ONCE + 2)]
        await asyncio.sleep(0)
        many[-2].cancel()  # while it waits
        await asyncio.sleep(0)
        release.set()
        found = await asyncio.gather(*many, return_exceptions=True)
        assert [type(one) for one in found if one is not None] == [ValueError, asyncio.CancelledError]
        assert not served.turns.begun
        assert not served.turns.waiting

    anyio.run(ask)


def test_what_waits_behind_a_refusal_of_the_same_is_refused_unseen() -> None:
    """And whoever asks for something else, or asks later, is not."""

    async def ask() -> None:
        seen, answers = list[tuple[str, int]](), dict[int, int]()

        async def app(scope: Scope, _receive: Receive, send: Send) -> None:
            seen.append((scope["path"], scope["number"]))
            await asyncio.sleep(0)
            status = 429 if scope["path"] == "/full" else 200
            headers = [(b"retry-after", b"7")]
            await send({"type": "http.response.start", "status": status, "headers": headers})

        served = FairRequestsMiddleware(app)

        async def one(number: int, path: str) -> None:
            async def send(message: Message) -> None:
                if message["type"] == "http.response.start":
                    answers[number] = message["status"]
                    assert message["status"] == 200 or (b"retry-after", b"7") in message["headers"]

            await served(asked("many", number, path), no_body, send)

        paths = ["/full"] * 3 * AT_ONCE + ["/free"]
        await asyncio.gather(*(one(number, path) for number, path in enumerate(paths)))
        assert [answers[number] for number in range(len(paths))] == [429] * 3 * AT_ONCE + [200]
        assert len(seen) == AT_ONCE + 1
        assert not served.refusals
        await one(99, "/full")
        assert seen[-1] == ("/full", 99)

    anyio.run(ask)


@pytest.mark.parametrize(
    ("headers", "sender"),
    [
        ([(b"authorization", b"Bearer a"), (b"cookie", b"c=1")], "Bearer a"),
        ([(b"cookie", b"c=1")], "c=1"),
        ([], "10.0.0.1"),
    ],
)
def test_a_sender_is_told_by_key_cookies_or_address(headers: list[tuple[bytes, bytes]], sender: str) -> None:
    assert fair_requests.sender_of({"type": "http", "headers": headers, "client": ("10.0.0.1", 1)}) == sender
