"""One team at its worst, against a running service: what `bench.fairness` starts beside the team that it measures.

    python -m bench.worst_team PORT KEY JOB [--share 1.0]

64 uploads that send nothing, 300 hostile files, 600 streams of events, and specs of 0.9 MB one after another, all at
the same time and each again whenever it is refused or disconnected, until the process is ended. ``--share`` makes it
less of each.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from tests.support.hostile_data import HOSTILE

IDLE_UPLOADS, FILES, STREAMS, POSTERS = 64, 300, 600, 4
FIRST_FILES = 60
"""Sent before the rest begins: afterwards a team's files wait for its own idle uploads."""

LARGE_SPEC_BYTES = 900_000
PAUSE_SECONDS = 5.0
"""After a refusal or a lost connection, as `Retry-After` says: a flood of requests is what rate limits are for."""

counted: Counter[str] = Counter()
"""What has become of what was sent; written to standard error at the end."""


class Worst:
    """One team's key, and what it does with it."""

    def __init__(self, port: int, key: str, job: str) -> None:
        self.port, self.key, self.job = port, key, job
        self.base = f"http://127.0.0.1:{port}/api/v1"
        limits = httpx.Limits(max_connections=POSTERS + 2)
        self.made = [(hostile.name, hostile.make()) for hostile in HOSTILE.values()]
        self.http = httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}, timeout=60, limits=limits)

    async def head(self, method: str, path: str, *fields: str) -> None:
        """Send the head of a request and wait for the end of the connection."""
        lines = [f"{method} /api/v1{path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {self.key}", *fields]
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write("\r\n".join([*lines, "", ""]).encode())
            status = (await reader.readline()).split(b" ")[1:2]
            counted[f"{method} {path.split('/')[1]} {b''.join(status).decode()}"] += 1
            while await reader.read(1 << 16):
                pass
        finally:
            writer.close()

    async def idle_upload(self) -> None:
        """Announce a part and send nothing of it."""
        body = {"kind": "dataset", "name": "idle.zip", "size_bytes": 1 << 20}
        made = await self.http.post(f"{self.base}/uploads", json=body)
        if made.is_success:
            await self.head("PUT", f"/uploads/{made.json()['id']}/parts/1", f"Content-Length: {1 << 20}")

    async def stream(self) -> None:
        """Follow a job."""
        await self.head("GET", f"/jobs/{self.job}/events", "Accept: text/event-stream")

    async def large_spec(self) -> None:
        """Submit what is as large as a body may be."""
        body = {"checkpoint_id": "x", "dataset_id": "x", "spec": {"excluded_groups": ["x" * LARGE_SPEC_BYTES]}}
        answer = await self.http.post(f"{self.base}/jobs", json=body)
        counted[f"spec {answer.status_code}"] += 1

    async def files(self, first: int, end: int) -> None:
        """Send those of the hostile files, over and over, then watch over none of them."""
        for name, content in itertools.islice(itertools.cycle(self.made), first, end):
            query: dict[str, Any] = {"kind": "dataset", "name": name}
            with contextlib.suppress(httpx.HTTPError):
                answer = await self.http.post(f"{self.base}/uploads/whole", params=query, content=content)
                counted[f"file {answer.status_code}"] += 1
                if answer.status_code == 429:
                    await asyncio.sleep(PAUSE_SECONDS)


async def again_and_again(act: Callable[[], Awaitable[None]]) -> None:
    """Do something for ever, whatever comes of it."""
    while True:
        with contextlib.suppress(OSError, httpx.HTTPError, IndexError):
            await act()
        await asyncio.sleep(PAUSE_SECONDS)


async def at_worst(worst: Worst, share: float) -> None:
    """Everything at the same time."""
    number = max(1, round(share * FILES))
    first = min(number, FIRST_FILES)
    await worst.files(0, first)
    async with asyncio.TaskGroup() as group:
        for act, times in ((worst.stream, STREAMS), (worst.idle_upload, IDLE_UPLOADS), (worst.large_spec, POSTERS)):
            for _ in range(max(1, round(share * times))):
                group.create_task(again_and_again(act))
        group.create_task(worst.files(first, number))
        await asyncio.sleep(PAUSE_SECONDS)
        sys.stdout.write("under way\n")
        sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("port", type=int)
    parser.add_argument("key")
    parser.add_argument("job")
    parser.add_argument("--share", type=float, default=1.0)
    asked = parser.parse_args()
    try:
        asyncio.run(at_worst(Worst(asked.port, asked.key, asked.job), asked.share))
    except KeyboardInterrupt:
        sys.stderr.write(json.dumps(counted, indent=1) + "\n")


if __name__ == "__main__":
    main()
