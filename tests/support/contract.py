"""Schemathesis on the real application behind the real server, with things of every state to be found."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.catalog.states import UploadKind
from app.teams.scopes import Role
from app.webhooks.states import EventType
from tests.support.dashboard import Dashboard, Team
from tests.support.matrix import joined

STREAM_SECONDS = 0.1
"""After which a stream of events, which may never end, does, counted from its first byte."""

LONGEST_SECONDS = 70
USUAL_STATUSES = ("2xx", "3xx", "401", "403", "404", "409", "429")

START_SECONDS = 10
SEED = os.environ.get("PRIMESVT_CONTRACT_SEED", "1")
"""Another one looks at other cases."""

OF_EVERY_STATE = 6


@dataclass
class Answered:
    """Counts the answers of every operation of the OpenAPI document, and ends those that would not end.

    Attributes:
        spared: id of the key that asks, which it must not revoke; there is none of that id.
    """

    app: ASGIApp
    spared: str
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope = {**scope, "path": scope["path"].replace(self.spared, "key_0")}
        try:
            async with asyncio.timeout(None) as limit:

                async def send_counted(message: Message) -> None:
                    if message["type"] == "http.response.start":
                        self.counts[scope["method"].lower(), getattr(scope.get("route"), "path", "")] += 1
                        if any(value.startswith(b"text/event-stream") for _, value in message["headers"]):
                            limit.reschedule(asyncio.get_running_loop().time() + STREAM_SECONDS)
                    await send(message)

                await self.app(scope, receive, send_counted)
        except TimeoutError:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    def of(self, operation: tuple[str, str]) -> int:
        method, path = operation
        return self.counts[method, path] + self.counts[method, path.replace("{name}", "{name:path}")]


@dataclass(frozen=True)
class Served:
    address: str
    answered: Answered


@contextmanager
def served(board: Dashboard, spared: str) -> Iterator[Served]:
    """The application of ``board`` at an address of this machine."""
    answered = Answered(board.app, spared)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        config = uvicorn.Config(answered, log_level="critical", timeout_graceful_shutdown=1, lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield Served(f"http://127.0.0.1:{listener.getsockname()[1]}", answered)
        finally:
            server.should_exit = True
            thread.join(START_SECONDS)


def furnish(board: Dashboard, team: Team) -> dict[str, list[str]]:
    """Jobs and uploads in every state; their ids by where requests name them."""
    jobs: list[str] = []
    uploads: list[str] = []
    for number in range(OF_EVERY_STATE):
        failed = board.failed(team, f"failed {number}", "impossible_budget", "nothing fits")
        cancelled = board.services.jobs.cancel(team.id, board.queued(team, f"cancelled {number}").id)
        running, _ = board.running(team, f"running {number}")
        jobs += [failed.id, cancelled.id, running.id, board.succeeded(team, f"done {number}").id]
        jobs.append(board.queued(team, f"queued {number}").id)
        created = board.services.catalog.create(team.id, UploadKind.CHECKPOINT, "announced.pth", 3, None)
        uploads += [created.id, board.ready(team, UploadKind.DATASET, "ready.npz").id]
        uploads += [board.upload(team, UploadKind.DATASET, "stored.npz").id]
        uploads += [board.refused(team, "refused.pth", "unsafe_pickle", "it runs something").id]
    return {"path.job_id": jobs, "path.upload_id": uploads, **_asked_for(board, team), **_webhooks(board, team),
            **_access(board, team)}  # fmt: skip


def _asked_for(board: Dashboard, team: Team) -> dict[str, list[str]]:
    """What a new job names."""
    checkpoint = board.ready(team, UploadKind.CHECKPOINT, "spikformer.pth").id
    data = board.ready(team, UploadKind.DATASET, "digits.npz").id
    return {"body.checkpoint_id": [checkpoint], "body.dataset_id": [data], "body.train_dataset_id": [data]}


def _access(board: Dashboard, team: Team) -> dict[str, list[str]]:
    found = board.services
    keys = [found.keys.create(team.id, f"key {number}").id for number in range(OF_EVERY_STATE)]
    asked = [found.invitations.invite(team.id, f"{n}@example.com", Role.MEMBER).id for n in range(OF_EVERY_STATE)]
    people = [joined(board, team.id, Role.MEMBER) for _ in range(OF_EVERY_STATE)]
    return {"path.key_id": keys, "path.invitation_id": asked, "path.user_id": people}


def key_id(board: Dashboard, team: Team) -> str:
    """Of the key that a team asks with."""
    return board.services.keys.authenticate(team.secret).key_id or ""


def _webhooks(board: Dashboard, team: Team) -> dict[str, list[str]]:
    hooks = board.services.webhooks
    made = [hooks.create(team.id, f"https://example.com/{n}", [*EventType]).webhook.id for n in range(2)]
    deliveries = [hooks.ping(team.id, hook).id for hook in made for _ in range(OF_EVERY_STATE)]
    return {"path.webhook_id": made, "path.delivery_id": deliveries}


@dataclass(frozen=True)
class Exempt:
    """Statuses with which an operation may refuse what its schema allows, and why no schema could say so."""

    operation: str
    statuses: tuple[int, ...]
    why: str


def settings(ids: dict[str, list[str]], exempt: Sequence[Exempt]) -> str:
    """A schemathesis.toml in which half of the ids are of things that exist.

    Args:
        ids: by where requests name them: ``path.<parameter>`` or ``body.<field>``.
        exempt: what may be refused although it fits the schema.
    """
    lines = [f"request-timeout = {LONGEST_SECONDS}", "[cache]", "enabled = false"]
    for place, values in ids.items():
        lines += [f'[dictionaries."{place}"]', f"values = {json.dumps(values)}"]
    lines.append("[parameters]")
    lines += [f'"{place}" = {{ dictionary = "{place}", probability = 0.5 }}' for place in ids]
    for entry in exempt:
        statuses = [*USUAL_STATUSES, *map(str, entry.statuses)]
        lines += ["[[operations]]", f'include-operation-id = "{entry.operation}"']
        lines.append(f"checks.positive_data_acceptance.expected-statuses = {json.dumps(statuses)}")
    return "\n".join(lines) + "\n"


def explore(
    place: Served, team: Team, folder: Path, config: str, cases: int, only: Sequence[str], phases: Sequence[str]
) -> subprocess.CompletedProcess[str]:
    """Run phases of Schemathesis with every check, for a seed always in the same way; on some operations if any."""
    path = folder / "schemathesis.toml"
    path.write_text(config)
    command = [
        str(Path(sys.executable).with_name("schemathesis")), f"--config-file={path}", "run",
        f"{place.address}/api/v1/openapi.json", f"--max-examples={cases}", "--checks=all", f"--seed={SEED}",
        f"--phases={','.join(phases)}",
        "--no-color", "--continue-on-failure", f"--header=Authorization: Bearer {team.secret}",
        *(f"--include-operation-id={operation}" for operation in only),
    ]  # fmt: skip
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=1500, check=False)
