"""Data sets that the service has already, among the choices of the form of a new job."""

from __future__ import annotations

from dataclasses import replace

from app.catalog.records import Upload
from app.catalog.states import UploadKind
from app.services import Services


def offered(services: Services, team: str, kind: UploadKind) -> list[Upload]:
    """What a team may choose without uploading it, under the names that the operator gave."""
    if kind is not UploadKind.DATASET:
        return []
    return [
        replace(services.catalog.get(team, found.id), name=f"{found.name} (on this server)")
        for found in services.datasets.offered(team)
    ]
