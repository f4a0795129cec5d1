"""Artifacts of finished jobs: list and download."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from app.api.deps import JobId, Services, needs
from app.api.downloads import described, disposition, download
from app.api.openapi import header
from app.api.problem import responses
from app.storage import SavedAs
from app.teams.records import Principal
from app.teams.scopes import Scope
from primesvt_client.schemas.jobs import ArtifactView
from primesvt_client.spec_types import TEXT

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"], responses=responses(401, 422, 503))

Downloader = Annotated[Principal, needs(Scope.ARTIFACTS_READ)]

ArtifactName = Annotated[str, Path(max_length=200, pattern=TEXT, examples=["figures/robustness.png"])]
BINARY: dict[str, dict[str, str]] = {"*/*": {}}
"""Bytes of any kind; a schema would declare JSON."""

Direct = Annotated[bool, Query(description="Redirect to storage if clients can reach it.")]
DIGESTS = {"ETag": header("The file's SHA-256."), "Repr-Digest": header("The file's SHA-256 (RFC 9530).")}
SIZE = {"Content-Length": header("The size of the file in bytes.")}
RANGE = {"Content-Range": header("The range sent and the size of the file.")}


@router.get("/{job_id}/artifacts", responses=responses(404))
def list_artifacts(job_id: JobId, caller: Downloader, services: Services) -> list[ArtifactView]:
    """List the files of a finished job."""
    return [ArtifactView.model_validate(artifact) for artifact in services.jobs.artifacts(caller.team_id, job_id)]


@router.get(
    "/{job_id}/artifacts/{name:path}",
    response_class=Response,
    responses={
        200: {"content": BINARY, "headers": DIGESTS},
        206: {"description": "The requested range.", "content": BINARY, "headers": {**DIGESTS, **RANGE}},
        307: {
            "description": "Storage serves the file.",
            "headers": {**DIGESTS, "Location": header("A presigned URL, valid for minutes.")},
        },
        304: {"description": "Unchanged.", "headers": DIGESTS},
        **responses(404, 416),
    },
)
def get_artifact(
    job_id: JobId, name: ArtifactName, request: Request, caller: Downloader, services: Services, direct: Direct = True
) -> Response:
    """Download one file; supports ranges and conditional requests by its ETag, the SHA-256."""
    artifact = services.jobs.artifact(caller.team_id, job_id, name)

    saved_as = SavedAs(disposition(artifact.name), artifact.media_type)
    address = services.jobs.presigned_url(artifact, saved_as) if direct else None
    return download(request, artifact, partial(services.jobs.read, artifact), address)


@router.head(
    "/{job_id}/artifacts/{name:path}",
    response_class=Response,
    responses={
        200: {"description": "As for a download, without the bytes.", "headers": {**DIGESTS, **SIZE}},
        304: {"description": "Unchanged.", "headers": DIGESTS},
        **responses(404),
    },
)
def head_artifact(
    job_id: JobId, name: ArtifactName, request: Request, caller: Downloader, services: Services
) -> Response:
    """Say of one file what a download would: its size, its type, its SHA-256; never a redirect."""
    return described(request, services.jobs.artifact(caller.team_id, job_id, name))
