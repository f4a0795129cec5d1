"""Finds out at the start of a worker which promises of the sandbox this machine cannot hold: children enter it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from app.settings import Settings
from worker import sandbox
from worker.process import ChildDied, start_child
from worker.protocol import ProbeSandbox, Request, Sandbox, SandboxMessage

log = logging.getLogger(__name__)

PROBE_SECONDS = 60.0


def missing_promises(settings: Settings, devices: Sequence[str]) -> tuple[str, ...] | None:
    """Limits and promises that do not hold for validating or computing; None if it could not be found out."""
    kinds = [sandbox.for_validation(settings), *(sandbox.for_computing(settings, device) for device in devices)]
    try:
        with TemporaryDirectory(prefix="primesvt-probe-", ignore_cleanup_errors=True) as folder:
            found = {name for kind in kinds for name in _missing(kind, Path(folder))}
    except (ChildDied, OSError) as error:
        log.warning("sandbox_not_probed", extra={"reason": str(error)})
        return None
    if found:
        log.warning("sandbox_incomplete", extra={"missing": ", ".join(sorted(found))})
    return tuple(sorted(found))


def _missing(kind: Sandbox, folder: Path) -> list[str]:
    """What one child reports.

    Raises:
        ChildDied: it does not.
    """
    with start_child(Request(task=ProbeSandbox(), sandbox=kind), folder / "child.log") as child:
        message = child.next_message(PROBE_SECONDS)
        if isinstance(message, SandboxMessage):
            with contextlib.suppress(ChildDied):  # it has nothing more to say
                child.next_message(PROBE_SECONDS)
            return message.missing
    raise ChildDied(f"no answer within {PROBE_SECONDS:g} s")
