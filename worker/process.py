"""A child process: fresh, in a group of its own, connected by pipes, always ended."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from pydantic import ValidationError

from worker import caches, sandbox, users
from worker.protocol import MESSAGE, AssignmentAnswer, Message, Request, Sandbox

GRACE_SECONDS = 2.0
"""Between asking a child to stop and killing its group."""

CHILD = "worker.child"
"""Module that a child runs."""

NICENESS = 10
"""Beside the service's own processes a child gets a tenth of a core that both want: pages and polls wait for none."""

STDERR_TAIL_BYTES = 4000
LONGEST_MESSAGE = 16 << 20
"""Bytes; the facts of the largest honest upload need a hundredth of that."""

OUT_OF_MEMORY_SIGNAL = signal.SIGKILL


class ChildDied(Exception):
    """The child ended without a result; the message has the reason."""


class CpuLimitExceeded(ChildDied):
    """The child has used up its processor time, and would again."""


class Child:
    """One process that carries out one request."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process, self.log = process, log
        self._messages: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._sent_garbage = False
        threading.Thread(target=self._read, daemon=True).start()

    def next_message(self, seconds: float) -> Message | None:
        """The child's next message; None if there is none for ``seconds``.

        Raises:
            ChildDied: it has ended, and all its messages were read.
        """
        try:
            message = self._messages.get(timeout=seconds)
        except queue.Empty:
            return None
        if message is None:
            raise self._how_it_ended()
        return message

    def answer(self, answer: AssignmentAnswer) -> None:
        """Answer the child's request for a batch."""
        assert self.process.stdin is not None  # noqa: S101  # it was opened as a pipe
        with contextlib.suppress(BrokenPipeError):  # it has died; reading from it raises
            self.process.stdin.write(answer.model_dump_json().encode() + b"\n")
            self.process.stdin.flush()

    def stop(self) -> None:
        """End the child and everything that it started."""
        for number, patience in ((signal.SIGTERM, GRACE_SECONDS), (signal.SIGKILL, None)):
            self._signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(patience)
        assert self.process.stdin is not None  # noqa: S101  # it was opened as a pipe
        with contextlib.suppress(BrokenPipeError):  # what it did not read any more is written once again
            self.process.stdin.close()

    def _read(self) -> None:
        assert self.process.stdout is not None  # noqa: S101  # it was opened as a pipe
        try:
            while line := self.process.stdout.readline(LONGEST_MESSAGE):
                self._messages.put(MESSAGE.validate_json(line))
        except ValidationError:  # cut short by a kill, or no message of ours: no more is read
            self._sent_garbage = True
            self._signal(signal.SIGKILL)
        except ValueError:  # it was stopped, and its output closed
            pass
        self._messages.put(None)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def _how_it_ended(self) -> ChildDied:
        code = self.process.wait()
        if code == -signal.SIGXCPU:
            return CpuLimitExceeded("the computing process has used up the processor time that this server allows")
        if code == -OUT_OF_MEMORY_SIGNAL and not self._sent_garbage:
            return ChildDied("the computing process was killed by SIGKILL (out of memory?)")
        if code < 0 and not self._sent_garbage:
            return ChildDied(f"the computing process was killed by {signal.Signals(-code).name}")
        return ChildDied(f"the computing process ended with exit status {code}: {stderr_tail(self.log)}")


@contextmanager
def start_child(request: Request, log: Path) -> Iterator[Child]:
    """A child at work on ``request``, in an empty folder; both gone when the block ends, however it ends.

    Args:
        request: written to its standard input, which stays open: it ends when the worker does.
        log: where its standard error goes; the folder lies beside it.

    Raises:
        OSError: the folder cannot be made, or no user is free.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="scratch-", dir=log.parent, ignore_cleanup_errors=True) as scratch,
        _user_for(request.sandbox) as user,
    ):
        yield from _running(_prepared(request, Path(scratch), user), log, scratch)


def _user_for(limits: Sandbox) -> AbstractContextManager[int | None]:
    return users.own_user(limits.users) if limits.users else contextlib.nullcontext()


def _prepared(request: Request, scratch: Path, user: int | None) -> Request:
    """The request of a child whose folders are there, and its own."""
    if request.sandbox.programs:
        caches.lend(scratch)
    for folder in request.task.writes:
        folder.mkdir(parents=True, exist_ok=True)
    owned = user is not None and users.give([scratch, *request.task.writes], user)
    limits = request.sandbox.model_copy(update={"user": user if owned else None})
    return request.model_copy(update={"sandbox": limits})


def _running(request: Request, log: Path, scratch: str) -> Iterator[Child]:
    with log.open("ab") as errors:
        process = subprocess.Popen(  # noqa: S603  # our own module
            [sys.executable, "-P", "-m", CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
            cwd=scratch,
            env=sandbox.environment(os.environ, request.sandbox, scratch),
        )
    with process:
        _give_way(process.pid)
        child = Child(process, log)
        try:
            assert process.stdin is not None  # noqa: S101  # it was opened as a pipe
            with contextlib.suppress(BrokenPipeError):  # it died at once; reading from it raises
                process.stdin.write(request.model_dump_json().encode() + b"\n")
                process.stdin.flush()
            yield child
        finally:
            child.stop()


def _give_way(pid: int) -> None:
    """Lower the priority of a child, within its session and, where Linux shares cores by session, of its session."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, min(19, os.getpriority(os.PRIO_PROCESS, pid) + NICENESS))
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(NICENESS))


def stderr_tail(log: Path) -> str:
    """The last line that a child wrote to standard error."""
    with contextlib.suppress(OSError):
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - STDERR_TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "it left no message")
    return "it left no message"
