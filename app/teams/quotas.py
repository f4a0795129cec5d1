"""What teams may use: the limits that hold for all, and those of one team."""

from __future__ import annotations

from dataclasses import fields, replace

from app.settings import Settings
from app.teams.models import TeamRow
from primesvt_client.schemas.team import Quotas as Quotas

UNLIMITED = Quotas()


def server_quotas(settings: Settings) -> Quotas:
    """Those of teams that have none of their own."""
    return Quotas(
        storage_bytes=settings.team_storage_bytes or None,
        unfinished_jobs=settings.team_unfinished_jobs or None,
        gpu_minutes=settings.team_gpu_minutes or None,
        upload_bytes=settings.max_upload_bytes,
    )


def quotas_of(row: TeamRow, defaults: Quotas) -> Quotas:
    """The team's own quotas where it has some, the server's elsewhere; no upload is larger than the server takes."""
    names = {field.name for field in fields(Quotas)}
    found = replace(defaults, **{name: value for name, value in row.quotas.items() if name in names})
    sizes = [size for size in (found.upload_bytes, defaults.upload_bytes) if size is not None]
    return replace(found, upload_bytes=min(sizes, default=None))
