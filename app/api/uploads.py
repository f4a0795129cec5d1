"""Uploads: create, send parts, complete."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from app.api.body_limits import BoundedRoute, declared_length
from app.api.body_streams import PLACES, Chunks, digested, store_body
from app.api.deps import Services, UploadId, needs
from app.api.digest_fields import DeclaredDigest
from app.api.openapi import BINARY_BODY, with_headers
from app.api.problem import responses
from app.catalog.example import add_example
from app.catalog.records import Upload
from app.catalog.service import CatalogService
from app.catalog.states import UploadKind, UploadState
from app.errors import DigestMismatch
from app.paging import LARGEST_PAGE
from app.teams.records import Principal
from app.teams.scopes import Scope
from primesvt_client.schemas.uploads import (
    NewDigest,
    NewUpload,
    PartAddresses,
    PartAddressView,
    PartNumbers,
    UploadPage,
    UploadView,
)
from primesvt_client.spec_types import LARGEST

router = APIRouter(
    prefix="/api/v1/uploads", tags=["uploads"], responses=responses(401, 422, 503, 507), route_class=BoundedRoute
)

Reader = Annotated[Principal, needs(Scope.UPLOADS_READ)]
Writer = Annotated[Principal, needs(Scope.UPLOADS_WRITE)]

RETRY_AFTER = "1"
LOCATION = "URL of the upload."
LENGTH_NEEDED = "send the file's size in Content-Length, or create the upload with POST /api/v1/uploads"
NO_FORM = "send the file as the body (curl --data-binary @FILE), not as a form"


@router.post("", status_code=201, responses={**with_headers(201, Location=LOCATION), **responses(409, 413)})
def create_upload(body: NewUpload, caller: Writer, services: Services, response: Response) -> UploadView:
    """Create an upload. Its parts follow, unless the team has the same bytes already."""
    upload = services.catalog.create(caller.team_id, body.kind, body.name, body.size_bytes, body.sha256)
    response.headers["Location"] = f"{router.prefix}/{upload.id}"
    return UploadView.model_validate(upload)


@router.get("", responses=responses(400))
def list_uploads(
    caller: Reader,
    services: Services,
    kind: UploadKind | None = None,
    state: UploadState | None = None,
    size_bytes: Annotated[int | None, Query(ge=0, le=LARGEST, description="Only uploads of exactly this size.")] = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 50,
) -> UploadPage:
    """List uploads, newest first."""
    page = services.catalog.search(caller.team_id, kind, state, cursor, limit, size_bytes=size_bytes)
    return UploadPage(items=[UploadView.model_validate(u) for u in page.items], next_cursor=page.next_cursor)


@router.get("/{upload_id}", responses=responses(404))
def get_upload(upload_id: UploadId, caller: Reader, services: Services) -> UploadView:
    """Get one upload; its received parts show which are missing."""
    return UploadView.model_validate(services.catalog.get(caller.team_id, upload_id))


@router.put("/{upload_id}/digest", responses=responses(400, 404, 409, 413, 415))
def announce_digest(upload_id: UploadId, body: NewDigest, caller: Writer, services: Services) -> UploadView:
    """Set the SHA-256 of the whole file, if it was unknown at creation; the file is verified against it."""
    return UploadView.model_validate(services.catalog.announce_digest(caller.team_id, upload_id, body.sha256))


@router.put("/{upload_id}/parts/{number}", responses=responses(404, 409), openapi_extra=BINARY_BODY)
async def put_part(
    upload_id: UploadId,
    number: Annotated[int, Path(ge=1, le=1_000_000)],
    request: Request,
    caller: Writer,
    services: Services,
    sha256: DeclaredDigest,
) -> UploadView:
    """Send one part. Parts may come in any order; a failed part can be sent again."""

    def store(chunks: Chunks) -> Upload:
        return services.catalog.put_part(caller.team_id, upload_id, number, chunks, sha256)

    return UploadView.model_validate(await store_body(request, caller.team_id, store))


@router.post("/{upload_id}/part-urls", responses=responses(400, 404, 409, 413, 415))
def address_parts(
    upload_id: UploadId, body: PartNumbers, caller: Writer, services: Services, response: Response
) -> PartAddresses:
    """Get presigned URLs to send parts directly to storage; parts without a URL go through this server."""
    addresses = services.catalog.presigned_parts(caller.team_id, upload_id, body.numbers)
    response.headers["Cache-Control"] = "no-store"
    return PartAddresses(items=[PartAddressView.model_validate(address) for address in addresses])


@router.post(
    "/{upload_id}/complete",
    status_code=202,
    responses={**with_headers(202, Retry_After="Seconds until the validation may have ended."), **responses(404, 409)},
)
def complete_upload(upload_id: UploadId, caller: Writer, services: Services, response: Response) -> UploadView:
    """Complete an upload: it is verified and its content validated. Repeating the request is harmless."""
    upload = services.catalog.complete(caller.team_id, upload_id)
    response.headers["Retry-After"] = RETRY_AFTER
    return UploadView.model_validate(upload)


@router.post("/example", status_code=202, responses=responses(404, 409, 413))
def add_example_uploads(caller: Writer, services: Services) -> list[UploadView]:
    """Add the example that comes with the service, a Spikformer and handwritten digits, unless the team has it."""
    added = add_example(services.catalog, caller.team_id)
    return [UploadView.model_validate(upload) for upload in added.values()]


@router.post(
    "/whole",
    status_code=202,
    responses={**with_headers(202, Location=LOCATION), **responses(409, 411, 413, 415)},
    openapi_extra=BINARY_BODY,
)
async def upload_whole(
    request: Request,
    response: Response,
    caller: Writer,
    services: Services,
    kind: UploadKind,
    name: Annotated[str, Query(min_length=1, max_length=1000)],
    sha256: DeclaredDigest,
) -> UploadView:
    """Upload a small file in a single request."""
    size = _declared_size(request)
    PLACES.check(caller.team_id)  # before anything is created
    upload = await run_in_threadpool(_create, services.catalog, caller.team_id, kind, name, size, sha256)
    stored = await store_body(request, caller.team_id, partial(_store_whole, services.catalog, caller.team_id, upload))
    response.headers["Location"] = f"{router.prefix}/{upload.id}"
    return UploadView.model_validate(stored)


def _create(catalog: CatalogService, team: str, kind: UploadKind, name: str, size: int, sha256: str | None) -> Upload:
    return catalog.create(team, kind, name, size, sha256, share=False)  # the bytes are sent in any case


def _declared_size(request: Request) -> int:
    if request.headers.get("content-type", "").lower().startswith("multipart/"):
        raise HTTPException(415, NO_FORM)
    length = declared_length(request)
    if length is None:
        raise HTTPException(411, LENGTH_NEEDED)
    return length


def _store_whole(catalog: CatalogService, team: str, upload: Upload, chunks: Chunks) -> Upload:
    """Store every part and complete; a failure leaves nothing behind."""
    digest = hashlib.sha256()
    try:
        for number in range(1, upload.parts + 1):
            left = upload.size_bytes - (number - 1) * upload.part_bytes
            part = digested(chunks.take(min(left, upload.part_bytes)), digest)
            catalog.put_part(team, upload.id, number, part, None)
        _check(upload, digest.hexdigest())
        return catalog.complete(team, upload.id)
    except BaseException:
        catalog.delete(team, upload.id)
        raise


def _check(upload: Upload, sha256: str) -> None:
    if upload.sha256 not in (None, sha256):
        raise DigestMismatch(f"the file's SHA-256 is {sha256}, not {upload.sha256}; send it again")


@router.delete("/{upload_id}", status_code=204, responses=responses(404, 409))
def delete_upload(upload_id: UploadId, caller: Writer, services: Services) -> None:
    """Delete an upload that no job uses. Which do, `GET /api/v1/jobs?upload_id=…&archived=include` lists."""
    services.uses.check_unused(caller.team_id, upload_id, services.catalog.own_name(caller.team_id, upload_id))
    services.catalog.delete(caller.team_id, upload_id)
