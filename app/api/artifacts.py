"""What a job made: list and take home."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from app.api.deps import Found, JobId, needs
from app.api.downloads import disposition, download
from app.api.openapi import header
from app.api.problem import responses
from app.storage import SavedAs
from app.teams.records import Principal
from app.teams.scopes import Scope
from primesvt_client.schemas.jobs import ArtifactView
from primesvt_client.spec import TEXT

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"], responses=responses(401, 422, 503))

Taker = Annotated[Principal, needs(Scope.ARTIFACTS_READ)]

ArtifactName = Annotated[str, Path(max_length=200, pattern=TEXT, examples=["figures/robustness.png"])]
BINARY: dict[str, dict[str, str]] = {"*/*": {}}
"""Bytes of whatever kind; a schema would say that they are JSON."""

Direct = Annotated[bool, Query(description="Whether storage may send it where the client can reach that.")]
WHAT = {"ETag": header("The file's sha256."), "Repr-Digest": header("The same as RFC 9530 writes it.")}
WHERE = {"Content-Range": header("Which bytes, and of how many.")}


@router.get("/{job_id}/artifacts", responses=responses(404))
def list_artifacts(job_id: JobId, caller: Taker, found: Found) -> list[ArtifactView]:
    """The files of a finished job."""
    return [ArtifactView.model_validate(artifact) for artifact in found.jobs.artifacts(caller.team_id, job_id)]


@router.get(
    "/{job_id}/artifacts/{name:path}",
    response_class=Response,
    responses={
        200: {"content": BINARY, "headers": WHAT},
        206: {"description": "The range asked for.", "content": BINARY, "headers": {**WHAT, **WHERE}},
        307: {"description": "The storage sends it.", "headers": {**WHAT, "Location": header("Where, for minutes.")}},
        304: {"description": "Unchanged.", "headers": WHAT},
        **responses(404, 416),
    },
)
def get_artifact(
    job_id: JobId, name: ArtifactName, request: Request, caller: Taker, found: Found, direct: Direct = True
) -> Response:
    """One file; ranges and conditions on its ETag, which is its sha256."""
    artifact = found.jobs.artifact(caller.team_id, job_id, name)

    saved_as = SavedAs(disposition(artifact.name), artifact.media_type)
    address = found.jobs.presigned_url(artifact, saved_as) if direct else None
    return download(request, artifact, partial(found.jobs.read, artifact), address)
