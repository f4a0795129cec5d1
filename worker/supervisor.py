"""Supervises a child until it is done, and keeps the claim's lease meanwhile."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from primesvt_core.types import Rates
from worker.heartbeat import LONGEST_WAIT_SECONDS, LeaseHeartbeat
from worker.metrics_server import StepTimer
from worker.process import Child, ChildDied, start_child
from worker.protocol import (
    AssignmentAnswer,
    Message,
    NextBatchMessage,
    PicturesMessage,
    ProgressMessage,
    PublishMessage,
    RefusedMessage,
    Request,
    Result,
    ResultMessage,
    SandboxMessage,
)
from worker.turns import UNPACED, Pace

logger = logging.getLogger(__name__)

R = TypeVar("R", bound=Result)


class ChildRefused(Exception):
    """The inputs are wrong; `problem` has code and detail."""

    def __init__(self, refusal: RefusedMessage) -> None:
        super().__init__(refusal.detail)
        self.problem = refusal.problem()


class RunTimeExceeded(ChildDied):
    """The child has run for as long as one may, and would again."""


class CellDispatcher(Protocol):
    """Dispatches the cells of a profile to a child."""

    def publish(self, cells: Mapping[str, Rates]) -> None:
        """The child wants these cells, in this order."""

    def next_batch(self) -> AssignmentAnswer | None:
        """The answer to a child that requests a batch; None while it has to wait."""

    def poll(self) -> None:
        """Called often, between messages."""


class NoCellDispatcher:
    """For children that have nothing to share."""

    def publish(self, cells: Mapping[str, Rates]) -> None:
        """Nobody computes them."""

    def next_batch(self) -> AssignmentAnswer | None:
        return AssignmentAnswer()

    def poll(self) -> None:
        """Nothing to do."""


NO_CELLS = NoCellDispatcher()


def supervise(
    request: Request,
    expected: type[R],
    log: Path,
    heartbeat: LeaseHeartbeat,
    *,
    silence_seconds: float,
    longest_seconds: float = math.inf,
    dispatcher: CellDispatcher = NO_CELLS,
    pace: Pace = UNPACED,
) -> R:
    """The result of a request, carried out by a fresh child that is gone afterwards.

    Args:
        request: what to do.
        expected: type of the result.
        log: where the child's standard error goes.
        heartbeat: of the claim; gets the progress.
        silence_seconds: a child that reports nothing for this long counts as stuck.
        longest_seconds: that a child may run, whatever it reports.
        dispatcher: answers a child that requests cells.
        pace: suspends the child while others have their turn.

    Raises:
        ChildRefused: the inputs are wrong.
        ChildDied: it crashed, was killed, got stuck, or answered with something else.
        CpuLimitExceeded: it has used up its processor time.
        RunTimeExceeded: it has run for too long.
        CancelRequested, ShuttingDown, LostClaim: from the heartbeat.
    """
    is_waiting, active_at, timer = False, time.monotonic(), StepTimer()
    ends_at = active_at + longest_seconds
    with start_child(request, log) as child, _paced(child, pace):
        while True:
            heartbeat.renew_if_due()
            dispatcher.poll()
            if time.monotonic() > ends_at:
                raise RunTimeExceeded(f"it ran for the {longest_seconds:g} s that this server allows, and was stopped")
            is_suspended = pace.poll(child)
            is_waiting = is_waiting and not _answer(child, dispatcher)
            message = child.next_message(min(LONGEST_WAIT_SECONDS, heartbeat.every_seconds))
            if message is not None or is_waiting or is_suspended:
                active_at = time.monotonic()
            elif time.monotonic() - active_at > silence_seconds:
                raise ChildDied(f"the computing process made no progress for {silence_seconds:g} s and was stopped")
            if isinstance(message, ProgressMessage):
                timer.enter(message.progress.step)
            if isinstance(message, ResultMessage):
                timer.end()
                return _checked(message.result, expected)
            is_waiting = is_waiting or isinstance(message, NextBatchMessage)
            if isinstance(message, PicturesMessage):
                pace.found(message.count)
            _handle(message, heartbeat, dispatcher)


@contextmanager
def _paced(child: Child, pace: Pace) -> Iterator[None]:
    try:
        yield
    finally:
        pace.end(child)


def _checked(result: Result, expected: type[R]) -> R:
    """A child that runs code of an uploaded file may answer anything."""
    if not isinstance(result, expected):
        raise ChildDied(f"the computing process answered with {type(result).__name__}, not {expected.__name__}")
    return result


def _handle(message: Message | None, heartbeat: LeaseHeartbeat, dispatcher: CellDispatcher) -> None:
    if isinstance(message, ProgressMessage):
        heartbeat.report(message.progress)
    elif isinstance(message, PublishMessage):
        dispatcher.publish(message.cells)
    elif isinstance(message, SandboxMessage):
        logger.warning("sandbox_incomplete", extra={"missing": ", ".join(message.missing)})
    elif isinstance(message, RefusedMessage):
        raise ChildRefused(message)


def _answer(child: Child, dispatcher: CellDispatcher) -> bool:
    """Whether the child has its answer now."""
    answer = dispatcher.next_batch()
    if answer is not None:
        child.answer(answer)
    return answer is not None
