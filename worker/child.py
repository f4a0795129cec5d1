"""The only process of the service that opens untrusted files and loads torch: ``python -m worker.child``.

It reads one request from standard input, writes messages to standard output, and ends. Standard input stays open for
as long as the worker lives; when it ends, so does the child, whatever it is doing.
"""

from __future__ import annotations

import fcntl
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TextIO

from primesvt_client.facts import DataSetFacts
from primesvt_client.progress import Progress, Reporter
from primesvt_client.states import Step
from primesvt_core.data.files.scratch import FULL
from primesvt_core.errors import PrimeSVTError, ScratchFull
from primesvt_core.types import Rates
from primesvt_core.workspace.sharing import Assignment
from primesvt_core.workspace.store import Workspace
from worker import sandbox
from worker.protocol import (
    AssignmentAnswer,
    AssistRequest,
    AssistResult,
    CompressRequest,
    CompressResult,
    Message,
    NextBatchMessage,
    PicturesMessage,
    ProbeSandbox,
    ProgressMessage,
    PruneRequest,
    PublishMessage,
    RefusedMessage,
    Request,
    Result,
    ResultMessage,
    RetargetRequest,
    Sandbox,
    SandboxMessage,
    Task,
    ValidateCheckpoint,
    ValidateData,
)

DIED = 1
NO_MEMORY = "DefaultCPUAllocator: can't allocate memory"
"""How torch says that the machine, or the limit of the sandbox, has no more."""

REPORT_SECONDS = 5.0
"""Between two reports of a child that decodes samples."""


class Channel:
    """To the worker: sends it messages and waits for its answers. It is the `CellQueue` of the profile."""

    def __init__(self, output: TextIO) -> None:
        self.output = output
        self.answers: queue.SimpleQueue[str] = queue.SimpleQueue()

    def send(self, message: Message) -> None:
        self.output.write(message.model_dump_json() + "\n")
        self.output.flush()

    def publish(self, cells: Mapping[str, Rates]) -> None:
        self.send(PublishMessage(cells={key: dict(rates) for key, rates in cells.items()}))

    def next_batch(self) -> Assignment:
        self.send(NextBatchMessage())
        answer = AssignmentAnswer.model_validate_json(self.answers.get())
        return Assignment(to_compute=answer.to_compute, results=answer.results)

    def listen(self) -> None:
        """Standard input ends when the worker does, however it ends; then so does this process."""
        for line in sys.stdin:
            self.answers.put(line)
        os.killpg(os.getpgrp(), signal.SIGKILL)


class Reports:
    """Tells the worker from time to time that a child that decodes samples is at work."""

    def __init__(self, channel: Channel) -> None:
        self.channel, self.told_at = channel, time.monotonic()

    def count(self, done: int, of: int) -> None:
        """So many samples are decoded."""
        if time.monotonic() - self.told_at >= REPORT_SECONDS:
            self.told_at = time.monotonic()
            self.channel.send(ProgressMessage(progress=Progress(step=Step.INTAKE, done=done, total=of)))


def main() -> int:
    """Carry out the request on standard input."""
    channel = _private_output()
    request = Request.model_validate_json(sys.stdin.readline())
    missing = sandbox.enter(request)
    if request.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # before torch is loaded
    threading.Thread(target=channel.listen, daemon=True).start()
    is_probe = isinstance(request.task, ProbeSandbox)
    if missing or is_probe:
        channel.send(SandboxMessage(missing=missing))
    return 0 if is_probe else _answer(request, channel)


def _answer(request: Request, channel: Channel) -> int:
    """Carry out the request, and say what came of it; returns the exit status."""
    try:
        channel.send(ResultMessage(result=carry_out(request.task, channel)))
    except Exception as error:  # noqa: BLE001  # whatever it is, the worker is told what it means
        refusal = _refusal(error, request.sandbox)
        if refusal is None:
            return DIED
        channel.send(refusal)
    return 0


def _refusal(error: Exception, sandbox: Sandbox) -> RefusedMessage | None:
    """What the worker is told of an error; None where the next attempt may end otherwise."""
    if isinstance(error, PrimeSVTError):
        return RefusedMessage(code=error.error_code, detail=error.message)
    with suppress(OSError):  # what cannot be printed on a full disk is told all the same
        traceback.print_exception(error)
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and NO_MEMORY in str(error)):
        if not sandbox.memory_bytes:  # another machine may have more
            return None
        return RefusedMessage(code="too_demanding", detail=_too_large(sandbox))
    if isinstance(error, OSError):  # a full disk, a store that is away: may be over at the next attempt
        if error.errno not in FULL:
            return None
        return RefusedMessage(code=ScratchFull.code, detail=f"there is no room on the disk: {error}")
    # A defect: the next attempt would end the same way.
    return RefusedMessage(code="internal_error", detail=f"a defect of PrimeSVT: {type(error).__name__}: {error}")


def carry_out(task: Task, channel: Channel) -> Result:
    """The result of a task.

    Raises:
        PrimeSVTError: if its inputs are wrong.
    """
    if isinstance(task, CompressRequest | RetargetRequest | PruneRequest):
        return _run(task, channel)
    if isinstance(task, AssistRequest):
        return _assist(task, channel)
    if isinstance(task, ValidateCheckpoint):
        from primesvt_core.intake.inspect import inspect

        return inspect(task.path).facts()
    assert isinstance(task, ValidateData)  # noqa: S101  # a probe has nothing to carry out
    return _look_into(task, channel)


def _look_into(task: ValidateData, channel: Channel) -> DataSetFacts:
    """Open a data set and decode all of it: whatever a sample does to a decoder, it does here, where it can do nothing.

    Raises:
        DataError: it is no data set, or a sample cannot be decoded.
        ScratchFull: it unpacks to more than there is room for.
    """
    from primesvt_core.data import decode_all, limited, open_data, unclear, with_labels_first

    with nullcontext() if task.scratch_bytes is None else limited(task.scratch_bytes):
        data = with_labels_first(
            lambda may_lack_labels: open_data(task.path, may_lack_labels=may_lack_labels), lambda data: data.is_labelled
        )
        channel.send(PicturesMessage(count=len(data)))
        beside = decode_all(task.path, data, Reports(channel).count)
    return DataSetFacts(
        kind=data.kind,
        samples=len(data),
        classes=data.classes,
        plain_classes=data.plain_classes,
        fingerprint=data.fingerprint(),
        is_labelled=data.is_labelled,
        notes=(*data.notes, *unclear(data), *beside) or None,
    )


def _run(task: CompressRequest | RetargetRequest | PruneRequest, channel: Channel) -> CompressResult:
    def report_to(progress: Progress) -> None:
        channel.send(ProgressMessage(progress=progress))

    with lock_workspace(task.workspace):
        restore(task)
        if isinstance(task, RetargetRequest):
            return _retarget(task, report_to)
        return _prune(task, report_to) if isinstance(task, PruneRequest) else _compress(task, report_to, channel)


def _compress(task: CompressRequest, report_to: Reporter, channel: Channel) -> CompressResult:
    from primesvt_core import pipeline, spec

    request = pipeline.Request(
        checkpoint=task.checkpoint,
        data=task.data,
        spec=spec.parse(task.spec),
        out=task.out,
        workspace=task.workspace,
        train_data=task.train_data,
        cells=task.cells,
    )
    report = pipeline.compress(request, report_to, channel)
    return CompressResult(verdict=report.verdict.value, summary=report.summary())


def _retarget(task: RetargetRequest, report_to: Reporter) -> CompressResult:
    from primesvt_core import retargeting

    request = retargeting.RetargetRequest(
        run=task.run, max_accuracy_drop=task.max_accuracy_drop, max_disagreement=task.max_disagreement,
        out=task.out, workspace=task.workspace,
        checkpoint=task.checkpoint, data=task.data, train_data=task.train_data, name=task.name, budgets=task.budgets,
    )  # fmt: skip
    report = retargeting.retarget(request, report_to)
    return CompressResult(verdict=report.verdict.value, summary=report.summary())


def _prune(task: PruneRequest, report_to: Reporter) -> CompressResult:
    from primesvt_core import planned, spec
    from primesvt_core.method.given_plan import plan_of

    request = planned.PruneRequest(
        checkpoint=task.checkpoint, plan=plan_of(task.plan, task.plan_name), spec=spec.parse(task.spec), out=task.out,
        data=task.data, workspace=task.workspace, train_data=task.train_data, cells=task.cells,
    )  # fmt: skip
    report = planned.prune(request, report_to)
    return CompressResult(verdict=report.verdict.value, summary=report.summary())


def _assist(task: AssistRequest, channel: Channel) -> AssistResult:
    from primesvt_core import pipeline, spec

    request = pipeline.Request(
        checkpoint=task.checkpoint, data=task.data, spec=spec.parse(task.spec), out=task.workspace / "out",
        workspace=task.workspace, train_data=task.train_data,
    )  # fmt: skip
    return AssistResult(cells=pipeline.assist(request, channel))


def restore(task: CompressRequest | RetargetRequest | PruneRequest) -> None:
    """Put into the workspace what earlier attempts have computed elsewhere."""
    Workspace(task.workspace).learn(task.known)
    for path in task.fetched.iterdir() if task.fetched else ():
        path.replace(task.workspace / path.name)


def _too_large(sandbox: Sandbox) -> str:
    remedy = "give a smaller file, or a smaller batch size" if sandbox.programs else "give a smaller file"
    return f"this takes more than the {sandbox.memory_bytes:,} bytes of memory that this server allows; {remedy}"


@contextmanager
def lock_workspace(workspace: Path) -> Iterator[None]:
    """Wait until no child of a lost claim uses the workspace; the lock ends with the process that holds it."""
    workspace.mkdir(parents=True, exist_ok=True)
    with (workspace / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _private_output() -> Channel:
    """Reserve standard output for messages; all other output goes to standard error."""
    output: TextIO = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return Channel(output)


if __name__ == "__main__":
    sys.exit(main())
