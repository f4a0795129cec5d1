"""How many requests per second `GET /api/v1/jobs/{id}` serves with a key, beside an empty FastAPI endpoint.

    python -m bench.polling [--requests 2000] [--rounds 5] [--profile]

Both servers are started in the same way (`uvicorn --factory`, one process), the service on a PostgreSQL database of its
own (PRIMESVT_TEST_POSTGRES says where). One load generator asks them in turn, over connections that are kept, a bounded
number of times. The job that is looked at is queued, which costs most: its place in the queue is counted. Meanwhile
`--waiting` others wait.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastapi import FastAPI

from app.catalog.states import UploadKind
from app.services import Services, assemble
from app.settings import Settings
from tests.support.dashboard import Dashboard, SilentNotifier
from tests.support.databases import fresh_url

CONNECTIONS = 64
WANTED = 0.25


def empty() -> FastAPI:
    """An application with nothing in it."""
    app = FastAPI()

    @app.get("/")
    async def nothing() -> dict[str, str]:
        return {}

    return app


@contextmanager
def served(factory: str, env: dict[str, str]) -> Iterator[tuple[int, int]]:
    """The port of a server of the application, and the id of its process."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "--factory", factory, "--port", str(port), "--no-access-log"]
    process = subprocess.Popen([*command, "--log-level", "warning"], env={**os.environ, **env})
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
            except ConnectionRefusedError:
                time.sleep(0.05)
            else:
                break
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(20)


async def ask(port: int, request: bytes, count: int) -> None:
    """Ask so many times over one connection.

    Raises:
        RuntimeError: the answer is not 200.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(count):
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head[:16]:
            raise RuntimeError(head.decode())
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.split(b":")[1]))
    writer.close()
    await writer.wait_closed()


def rate(port: int, request: bytes, count: int) -> float:
    """Requests per second."""

    async def load() -> None:
        await asyncio.gather(*(ask(port, request, count // CONNECTIONS) for _ in range(CONNECTIONS)))

    began = time.perf_counter()
    asyncio.run(load())
    return count // CONNECTIONS * CONNECTIONS / (time.perf_counter() - began)


def processor_seconds(process: int) -> float:
    """What a process has used so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def get(path: str, key: str = "") -> bytes:
    """A request as it goes over the wire."""
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", "Accept: application/json"]
    return "\r\n".join([*lines, *([f"Authorization: Bearer {key}"] if key else []), "", ""]).encode()


def prepared(settings: Settings, waiting: int) -> tuple[str, str]:
    """A key, and the id of a job of its team that waits behind ``waiting`` others."""
    services: Services = assemble(settings, SilentNotifier())
    services.database.migrate()
    board = Dashboard.__new__(Dashboard)
    board.settings, board.services = settings, services
    team = services.teams.create_team("bench")
    ids = []
    for kind in UploadKind:
        upload = services.catalog.create(team.team_id, kind, f"a {kind}", 3, None)
        services.catalog.put_part(team.team_id, upload.id, 1, [b"abc"], None)
        ids.append(services.catalog.complete(team.team_id, upload.id).id)
    from app.jobs.records import NewJob

    asked = NewJob(checkpoint_id=ids[0], dataset_id=ids[1], spec={"budget": {"max_accuracy_drop": 0.03}})
    jobs = [services.jobs.submit(team.team_id, asked).id for _ in range(waiting + 1)]
    services.database.engine.dispose()
    return team.secret, jobs[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--waiting", type=int, default=100)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, fresh_url("postgresql", Path(folder)) as url:
        settings = Settings(data_dir=Path(folder), database_url=url, requests_per_minute=100_000_000)
        key, job = prepared(settings, asked.waiting)
        with served("bench.polling:empty", {}) as nothing, served("app.main:create", settings.environment()) as api:
            requests = {"empty": (nothing, get("/")), "polling": (api, get(f"/api/v1/jobs/{job}", key))}
            rates: dict[str, list[float]] = {name: [] for name in requests}
            used: dict[str, float] = dict.fromkeys(requests, 0.0)
            for (port, _), request in requests.values():
                rate(port, request, CONNECTIONS * 10)  # until everything is loaded and connected
            for _ in range(asked.rounds):
                for name, ((port, process), request) in requests.items():
                    before = processor_seconds(process)
                    rates[name].append(rate(port, request, asked.requests))
                    used[name] += processor_seconds(process) - before
    median = {name: statistics.median(found) for name, found in rates.items()}
    shares = [p / e for p, e in zip(rates["polling"], rates["empty"], strict=True)]
    for name, found in rates.items():
        each = used[name] / asked.rounds / asked.requests * 1e6
        rounds = ", ".join(f"{r:.0f}" for r in found)
        print(f"{name:8} {median[name]:6.0f}/s, {each:5.0f} us of processor time each   (rounds: {rounds})")
    print(f"share    {statistics.median(shares):6.2f}, wanted: at least {WANTED}; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
