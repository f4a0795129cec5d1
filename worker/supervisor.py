"""Watching a child until it is done, with the claim's pulse going on."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from pydantic import JsonValue

from primesvt_core.types import Rates
from worker.heartbeat import LONGEST_WAIT_SECONDS, Pulse
from worker.metrics_server import StepClock
from worker.process import Child, ChildDied, started
from worker.protocol import (
    AskMessage,
    Message,
    OfferMessage,
    ProgressMessage,
    RefusedMessage,
    Request,
    ResultMessage,
    SandboxMessage,
    ShareAnswer,
)

log_of = logging.getLogger(__name__)


class ChildRefused(Exception):
    """The inputs are wrong; ``problem`` says what about them."""

    def __init__(self, refusal: RefusedMessage) -> None:
        super().__init__(refusal.detail)
        self.problem = refusal.problem()


class Desk(Protocol):
    """Hands out the cells of a profile to a child."""

    def offer(self, cells: Mapping[str, Rates]) -> None:
        """The child wants these cells, in this order."""

    def share(self) -> ShareAnswer | None:
        """What a child that has asked is to do next; None while it has to wait."""

    def tend(self) -> None:
        """Called often, between messages."""


class NoDesk:
    """For children that have nothing to share."""

    def offer(self, cells: Mapping[str, Rates]) -> None:
        """There is nobody to share them with."""

    def share(self) -> ShareAnswer | None:
        return ShareAnswer()

    def tend(self) -> None:
        """There is nothing to tend."""


NO_DESK = NoDesk()


def supervise(
    request: Request, log: Path, pulse: Pulse, *, silence_seconds: float, desk: Desk = NO_DESK
) -> dict[str, JsonValue]:
    """The result of a request, carried out by a fresh child that is gone afterwards.

    Args:
        request: what to do.
        log: where the child's standard error goes.
        pulse: of the claim; it is told the progress.
        silence_seconds: a child that reports nothing for this long is taken for stuck.
        desk: hands out cells to a child that asks for some.

    Raises:
        ChildRefused: the inputs are wrong.
        ChildDied: it crashed, was killed, or got stuck.
        ChildSpent: it has used up its processor time.
        CancelRequested, ShuttingDown, LostClaim: as the pulse says.
    """
    has_asked, heard_at, clock = False, time.monotonic(), StepClock()
    with started(request, log) as child:
        while True:
            pulse.tick()
            desk.tend()
            has_asked = has_asked and not _is_answered(child, desk)
            message = child.next_message(min(LONGEST_WAIT_SECONDS, pulse.every_seconds))
            if message is not None or has_asked:
                heard_at = time.monotonic()
            elif time.monotonic() - heard_at > silence_seconds:
                raise ChildDied(f"the computing process made no progress for {silence_seconds:g} s and was stopped")
            if isinstance(message, ProgressMessage):
                clock.heard(message.step)
            if isinstance(message, ResultMessage):
                clock.over()
                return message.result
            has_asked = has_asked or isinstance(message, AskMessage)
            _hear(message, pulse, desk)


def _hear(message: Message | None, pulse: Pulse, desk: Desk) -> None:
    if isinstance(message, ProgressMessage):
        pulse.report(message.document())
    elif isinstance(message, OfferMessage):
        desk.offer(message.cells)
    elif isinstance(message, SandboxMessage):
        log_of.warning("sandbox_incomplete", extra={"missing": ", ".join(message.missing)})
    elif isinstance(message, RefusedMessage):
        raise ChildRefused(message)


def _is_answered(child: Child, desk: Desk) -> bool:
    answer = desk.share()
    if answer is not None:
        child.answer(answer)
    return answer is not None
