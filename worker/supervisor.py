"""Watching a child until it is done, with the claim's pulse going on."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from pydantic import JsonValue

from worker.process import ChildDied, started
from worker.protocol import ProgressMessage, RefusedMessage, Request, ResultMessage, SandboxMessage
from worker.pulse import Pulse

log_of = logging.getLogger(__name__)

LONGEST_WAIT_SECONDS = 0.5
"""How long a child's silence may keep a stop from being heard."""


class ChildRefused(Exception):
    """The inputs are wrong; ``problem`` says what about them."""

    def __init__(self, refusal: RefusedMessage) -> None:
        super().__init__(refusal.detail)
        self.problem = refusal.problem()


def supervise(request: Request, log: Path, pulse: Pulse, *, silence_seconds: float) -> dict[str, JsonValue]:
    """The result of a request, carried out by a fresh child that is gone afterwards.

    Args:
        request: what to do.
        log: where the child's standard error goes.
        pulse: of the claim; it is told the progress.
        silence_seconds: a child that reports nothing for this long is taken for stuck.

    Raises:
        ChildRefused: the inputs are wrong.
        ChildDied: it crashed, was killed, or got stuck.
        ChildSpent: it has used up its processor time.
        CancelRequested, ShuttingDown, LostClaim: as the pulse says.
    """
    heard_at = time.monotonic()
    with started(request, log) as child:
        while True:
            pulse.tick()
            message = child.next_message(min(LONGEST_WAIT_SECONDS, pulse.every_seconds))
            if message is not None:
                heard_at = time.monotonic()
            elif time.monotonic() - heard_at > silence_seconds:
                raise ChildDied(f"the computing process made no progress for {silence_seconds:g} s and was stopped")
            if isinstance(message, ProgressMessage):
                pulse.report(message.document())
            elif isinstance(message, SandboxMessage):
                log_of.warning("sandbox_incomplete", extra={"missing": ", ".join(message.missing)})
            elif isinstance(message, RefusedMessage):
                raise ChildRefused(message)
            elif isinstance(message, ResultMessage):
                return message.result
