"""A service one of whose children attacks: ``python -m tests.support.subverted_service FOLDER KIND USER``.

It has a settings file, a database, blobs, an upload and a job of other teams, and a child at work for one of them. KIND
is ``validating`` or ``computing``; USER 0 is root, and only root can name another than its own. Prints what the child
reports.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from app.hardening import SECRETS, forget, hide_memory
from app.settings import Settings
from worker import process, sandbox, users
from worker.process import Child, start_child
from worker.protocol import (
    CompressRequest,
    Message,
    NextBatchMessage,
    Request,
    ResultMessage,
    Sandbox,
    SandboxMessage,
    ValidateData,
)

PATIENCE_SECONDS = 100.0


def become(user: int) -> None:
    """An ordinary user, who may read the interpreter and packages even where they lie in root's home."""
    if user == os.geteuid():
        return
    assert users.become(user, [Path("/root")])


def furnish(data: Path) -> dict[str, Any]:
    """The service's files; returns what the child is to attack."""
    own_upload, other_upload, other_job = (data / "workspaces" / name for name in ("up_own", "up_other", "job_other"))
    files = [
        data / ".env", data / "primesvt.sqlite3", data / "blobs" / "other", other_upload / "input" / "theirs.npz",
        other_job / "workspace" / "cells.jsonl",
    ]  # fmt: skip
    for path in files:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("secret")
    (own_upload / "input").mkdir(parents=True)
    folders = sorted({data, data / "workspaces", *(path.parent for path in files)})
    closed = [own_upload, own_upload / "input", *map(Path, ("/tmp", "/var/tmp", "/dev/shm"))]
    return {
        "files": [*map(str, files)],
        "folders": [*map(str, folders)],
        "closed": [*map(str, closed)],
        "socket": str(data / "broker"),
    }


def request(data: Path, name: str, content: object, kind: str, limits: Sandbox) -> tuple[Request, Path]:
    """For a child whose input is a link to what is stored, as in the service; and where its log goes."""
    folder, blob = data / "workspaces" / name, data / "blobs" / name
    blob.write_text(json.dumps(content))
    path = folder / "input" / "file.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(blob)
    if kind == "validating":
        return Request(task=ValidateData(path=path), sandbox=limits), folder / "child.log"
    task = CompressRequest(
        checkpoint=path, data=path, train_data=None, spec={}, workspace=folder / "workspace", out=folder / "out",
        fetched=folder / "fetched",
    )  # fmt: skip
    return Request(task=task, sandbox=limits), folder / "child.log"


def answer(child: Child, kind: type[Message], missing: list[str]) -> Any:
    """The child's next message of a kind; gaps of its sandbox are added to ``missing``."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        message = child.next_message(1.0)
        if isinstance(message, SandboxMessage):
            missing += message.missing
        if isinstance(message, kind):
            return message
        assert message is None or isinstance(message, SandboxMessage), message
    raise TimeoutError


def main(data: Path, kind: str, user: int) -> None:
    process.CHILD = "tests.support.subverted_child"
    os.umask(0o077)
    data.mkdir(parents=True)
    os.chown(data, user, user)
    become(user)
    hide_memory()
    settings, targets, missing = Settings(data_dir=data), furnish(data), list[str]()
    limits = sandbox.for_validation(settings) if kind == "validating" else sandbox.for_computing(settings)
    environment = Path("/proc/self/environ").read_bytes() if user == 0 else b""  # hidden from ordinary users
    forget(os.environ)
    forgotten = Path("/proc/self/environ").read_bytes() if user == 0 else b""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(targets["socket"])
        listener.listen()
        neighbour = stack.enter_context(start_child(*request(data, "job_other", {}, kind, limits)))
        answer(neighbour, NextBatchMessage, missing)
        targets["processes"] = [os.getpid(), neighbour.process.pid]
        child = stack.enter_context(start_child(*request(data, "up_own", targets, kind, limits)))
        found = answer(child, ResultMessage, missing).result.model_extra["attempt"]
    secrets = {
        "before": sum(name.encode() in environment for name in SECRETS),
        "left": sum(name in os.environ for name in SECRETS) + forgotten.count(b"hidden-"),
    }
    sys.stdout.write(json.dumps({**found, "missing": sorted({*missing}), "secrets": secrets}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
