"""All files of a finished job as one ZIP archive, which is written while it is sent: it lies nowhere as a whole."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Annotated, Any

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from app.api.deps import JobId, Services, needs
from app.api.downloads import disposition
from app.api.problem import responses
from app.errors import NotFound
from app.teams.records import Principal
from app.teams.scopes import Scope

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"], responses=responses(401, 422, 503))

MEDIA_TYPE = "application/zip"
OUT_OF_PLACE = frozenset('\\:*?"<>|')
"""Characters that some file systems read as folders, drives or patterns."""


@dataclass(frozen=True)
class Member:
    """One file of an archive: its name there, its size in bytes, and how it is read."""

    name: str
    size_bytes: int
    read: Callable[[], Iterator[bytes]]


@router.get(
    "/{job_id}/bundle",
    response_class=Response,
    responses={200: {"description": "A ZIP archive.", "content": {MEDIA_TYPE: {}}}, **responses(404)},
)
def get_bundle(
    job_id: JobId, caller: Annotated[Principal, needs(Scope.ARTIFACTS_READ)], services: Services
) -> Response:
    """Download all files of a finished job as one ZIP archive, in a folder named after the job; no ranges."""
    jobs, team = services.jobs, caller.team_id
    job = jobs.get(team, job_id)
    found = [jobs.artifact(team, job_id, artifact.name) for artifact in jobs.artifacts(team, job_id)]
    if not found:
        raise NotFound(f"the job has no files; it is {job.state}")
    members = [
        Member(f"{job_id}/{safe_name(one.name)}", one.size_bytes, lambda one=one: jobs.read(one))  # type: ignore[misc]
        for one in found
    ]
    stream = archive(members, job.finished_at or job.created_at)
    first = next(stream)  # a file that is not there any more is told before the answer has begun
    headers = {"Content-Disposition": disposition(f"{job_id}.zip"), "Cache-Control": "no-store"}
    return StreamingResponse(chain([first], stream), 200, headers, MEDIA_TYPE)


def safe_name(name: str) -> str:
    """A file's name as every program unpacks it below its folder."""
    parts = name.replace("\\", "/").split("/")
    kept = ["".join("_" if c in OUT_OF_PLACE or not c.isprintable() else c for c in part) for part in parts]
    return "/".join(part for part in kept if part not in ("", ".", ".."))


def archive(members: Iterable[Member], at: datetime) -> Iterator[bytes]:
    """A ZIP archive, a piece at a time; nothing is compressed, for weights and pictures hardly can be.

    Args:
        members: its files, in this order.
        at: when they were made.
    """
    outbox = _Outbox()
    with zipfile.ZipFile(outbox, "w", zipfile.ZIP_STORED) as target:
        for member in members:
            entry = zipfile.ZipInfo(member.name, at.astimezone(UTC).timetuple()[:6])
            entry.external_attr = 0o644 << 16
            entry.file_size = member.size_bytes
            content = member.read()
            with target.open(entry, "w", force_zip64=member.size_bytes > zipfile.ZIP64_LIMIT // 2) as file:
                for chunk in content:
                    file.write(chunk)
                    yield outbox.take()
            yield outbox.take()
    yield outbox.take()


class _Outbox(io.RawIOBase):
    """What was written and not yet sent; it cannot be gone back in."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: Any, /) -> int:  # any buffer
        self.pieces.append(bytes(piece))
        return len(self.pieces[-1])

    def take(self) -> bytes:
        """All of it, which is forgotten here."""
        taken, self.pieces = b"".join(self.pieces), []
        return taken
