"""Connections that are slow, idle or too many, over a real socket."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import pytest
import uvicorn
from fastapi import FastAPI, Request
from starlette.responses import Response, StreamingResponse

from app.api import body_timeouts, connections
from app.api.body_timeouts import BodyTimeoutMiddleware

HEAD = b"GET /quick HTTP/1.1\r\nHost: server\r\n"
SHORT = 0.3
BLOCK = b"x" * (1 << 20)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in (
        (connections, "HEAD_SECONDS"), (connections, "READER_SECONDS"), (body_timeouts, "PATIENCE_SECONDS"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, SHORT)


def application() -> FastAPI:
    app = FastAPI()
    app.add_middleware(BodyTimeoutMiddleware)

    @app.get("/quick")
    async def quick() -> dict[str, str]:
        return {"answer": "quick"}

    @app.get("/long")
    async def long() -> dict[str, str]:
        await asyncio.sleep(3 * SHORT)
        return {"answer": "long"}

    @app.get("/large")
    async def large() -> Response:
        async def blocks() -> AsyncIterator[bytes]:
            for _ in range(100):
                yield BLOCK

        return StreamingResponse(blocks())

    @app.put("/body")
    async def body(request: Request) -> dict[str, int]:
        return {"received": len(await request.body())}

    return app


Connect = Callable[[], Awaitable[tuple[StreamReader, StreamWriter]]]


@asynccontextmanager
async def serving() -> AsyncIterator[Connect]:
    """Connects to a server; what is open is closed at the end."""
    config = uvicorn.Config(
        application(), port=0, log_level="critical", lifespan="off", http="app.api.connections:PatientProtocol",
        timeout_graceful_shutdown=0,
    )  # fmt: skip
    server = uvicorn.Server(config)
    running, writers = asyncio.create_task(server._serve()), list[StreamWriter]()
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]

    async def connect() -> tuple[StreamReader, StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writers.append(writer)
        return reader, writer

    try:
        yield connect
    finally:
        for writer in writers:
            writer.close()
        server.should_exit = True
        await running


def test_a_head_that_does_not_come_ends_the_connection_however_it_is_dripped() -> None:
    async def ask() -> None:
        async with serving() as connect:
            silent, _ = await connect()
            dripped, drip = await connect()
            drip.write(HEAD)
            async with asyncio.timeout(20 * SHORT):
                while not dripped.at_eof() and dripped.exception() is None:
                    with contextlib.suppress(ConnectionError):
                        drip.write(b"X-A: b\r\n")
                        await drip.drain()
                    await asyncio.sleep(SHORT / 10)
                with contextlib.suppress(ConnectionError):
                    assert await silent.read() == b""

    anyio.run(ask)


def test_a_connection_that_asks_again_and_again_stays() -> None:
    async def ask() -> None:
        async with serving() as connect:
            reader, writer = await connect()
            for path in ("quick", "long", "quick", "quick"):
                writer.write(HEAD.replace(b"quick", path.encode()) + b"\r\n")
                answer = await reader.readuntil(b"}")
                assert b" 200 " in answer
                assert path.encode() in answer
                await asyncio.sleep(SHORT / 2)

    anyio.run(ask)


@pytest.mark.parametrize("dripped", [False, True])
def test_a_body_that_does_not_come_is_answered_and_the_connection_closed(dripped: bool) -> None:
    async def ask() -> None:
        async with serving() as connect:
            reader, writer = await connect()
            writer.write(b"PUT /body HTTP/1.1\r\nHost: server\r\nContent-Length: 100000\r\n\r\nab")

            async def drip() -> None:
                while True:
                    with contextlib.suppress(ConnectionError):
                        writer.write(b"c")
                        await writer.drain()
                    await asyncio.sleep(SHORT / 10)

            dripping = asyncio.create_task(drip() if dripped else asyncio.sleep(0))
            async with asyncio.timeout(20 * SHORT):
                answer = await reader.readuntil(b"the body did not arrive")
                with contextlib.suppress(ConnectionError):  # a reset, where bytes of the body were on their way
                    await reader.read()  # to the end of the connection
            dripping.cancel()
            assert b" 408 " in answer

    anyio.run(ask)


def test_a_body_that_takes_long_and_arrives_is_accepted() -> None:
    async def ask() -> None:
        async with serving() as connect:
            reader, writer = await connect()
            writer.write(b"PUT /body HTTP/1.1\r\nHost: server\r\nContent-Length: 80000\r\n\r\n")
            for _ in range(8):
                writer.write(b"x" * 10_000)
                await asyncio.sleep(SHORT / 2)
            assert b'{"received":80000}' in await reader.readuntil(b"}")

    anyio.run(ask)


def test_a_client_that_reads_nothing_is_disconnected() -> None:
    async def ask() -> None:
        async with serving() as connect:
            reader, writer = await connect()
            writer.write(HEAD.replace(b"quick", b"large") + b"\r\n")
            await asyncio.sleep(4 * SHORT)
            received = 0
            with contextlib.suppress(ConnectionError):
                while piece := await reader.read(1 << 20):
                    received += len(piece)
            assert received < 100 * len(BLOCK)

    anyio.run(ask)


def test_when_all_places_are_taken_the_longest_idle_connection_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 3)
    monkeypatch.setattr(connections, "HEAD_SECONDS", 60.0)

    async def ask() -> None:
        async with serving() as connect:
            busy, asking = await connect()
            asking.write(HEAD.replace(b"quick", b"long") + b"\r\n")
            await asyncio.sleep(0.05)
            idle = [await connect() for _ in range(2)]
            await asyncio.sleep(0.05)
            newest, writer = await connect()
            with contextlib.suppress(ConnectionError):
                async with asyncio.timeout(10):
                    assert await idle[0][0].read() == b""
            writer.write(HEAD + b"\r\n")
            assert b" 200 " in await newest.readuntil(b"}")
            assert b" 200 " in await busy.readuntil(b"}")

    anyio.run(ask)
