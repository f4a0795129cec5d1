"""The workers' part of ``primesvt doctor``: what the sandbox of this machine holds, tried by children that enter it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from app.settings import Settings, WrongSettings
from primesvt_core.diagnosis import Finding, State
from worker.probing import missing_promises


def findings() -> Iterator[Finding]:
    """Whether children of a worker here are held to every promise of the sandbox."""
    try:
        settings = Settings.from_env(os.environ)
    except WrongSettings:  # which the service's part says
        return
    with TemporaryDirectory(prefix="primesvt-doctor-") as folder:
        missing = missing_promises(_leaving_nothing(settings, Path(folder)), ("cpu",))
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


def _leaving_nothing(settings: Settings, folder: Path) -> Settings:
    """The settings; where no worker has been yet, with another data folder: what children need there would stay."""
    is_there = (settings.data_dir / "users").is_dir()
    return settings if is_there else settings.model_copy(update={"data_dir": folder})
