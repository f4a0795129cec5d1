"""The service's part of ``primesvt doctor``: database, storage, broker. Looks without making anything."""

from __future__ import annotations

import os
from collections.abc import Iterator

from app.api.readiness import readiness
from app.services import Services, assemble
from app.settings import Settings, WrongSettings
from primesvt_core.diagnosis import Finding, State


def findings() -> Iterator[Finding]:
    """What the service of this environment needs, asked with real requests."""
    try:
        settings = Settings.from_env(os.environ)
    except WrongSettings as error:
        yield Finding(part="settings", state=State.BAD, detail=error.message)
        return
    if not settings.database_url and not (settings.data_dir / "primesvt.sqlite3").is_file():
        yield Finding(
            part="service",
            state=State.NOTED,
            detail=f"no service of this environment: {settings.data_dir.resolve()} holds none, and no"
            " PRIMESVT_DATABASE_URL is set",
        )
        return
    services = assemble(settings)
    try:
        yield from _components(services)
    finally:
        services.database.engine.dispose()


def _components(services: Services) -> Iterator[Finding]:
    settings, report = services.settings, readiness(services).check()
    for part, problem in report.problems.items():
        if part == "broker" and problem and not os.environ.get("PRIMESVT_BROKER_URL"):
            told = "the broker of one machine is private to `primesvt serve`, and is not asked"
            yield Finding(part=part, state=State.NOTED, detail=told)
        else:
            yield Finding(
                part=part, state=State.BAD if problem else State.GOOD, detail=problem or _good(part, settings)
            )
    if report.is_ready and report.missing:
        told = (
            f"workers report promises of the sandbox that do not hold: {', '.join(report.missing)} (docs/security.md)"
        )
        yield Finding(part="workers", state=State.BAD, detail=told)


def _good(part: str, settings: Settings) -> str:
    """What is as it must be; addresses have passwords, and are not shown."""
    kinds = {
        "database": str(settings.database).partition(":")[0],
        "storage": settings.storage.partition(":")[0],
        "broker": settings.broker_url.partition(":")[0],
    }
    shared = ", and is the one that the database knows" if part == "storage" else ""
    return f"{kinds[part]} answers{shared}"
