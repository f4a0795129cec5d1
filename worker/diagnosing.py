"""The workers' part of ``primesvt doctor``: what the sandbox of this machine holds, tried by children that enter it."""

from __future__ import annotations

import os
from collections.abc import Iterator

from app.settings import Settings, WrongSettings
from primesvt_core.diagnosis import Finding, State
from worker.probing import missing_promises


def findings() -> Iterator[Finding]:
    """Whether children of a worker here are held to every promise of the sandbox."""
    try:
        settings = Settings.from_env(os.environ)
    except WrongSettings:  # which the service's part says
        return
    missing = missing_promises(settings, ("cpu",))
    if missing is None:
        told = "a child that was to enter the sandbox did not answer; the worker's log says more"
        yield Finding(part="sandbox", state=State.BAD, detail=told)
    elif missing:
        told = (
            f"this machine does not hold {', '.join(missing)}: files of strangers are less safe here (docs/security.md)"
        )
        yield Finding(part="sandbox", state=State.BAD, detail=told)
    else:
        yield Finding(part="sandbox", state=State.GOOD, detail="every promise holds")
