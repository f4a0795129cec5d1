"""Uploads: announce, send parts, complete."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from app.api.deps import Caller, Found
from app.api.problem import responses
from app.api.schemas import SHA256, NewUpload, UploadPage, UploadView
from app.api.streams import body_chunks
from app.catalog.states import UploadKind, UploadState
from app.paging import LARGEST_PAGE

router = APIRouter(prefix="/api/v1/uploads", tags=["uploads"], responses=responses(401, 422))

BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.post("", status_code=201, responses=responses(413))
def create_upload(body: NewUpload, caller: Caller, found: Found, response: Response) -> UploadView:
    """Announce an upload; its parts follow."""
    upload = found.catalog.create(caller.team_id, body.kind, body.name, body.size_bytes, body.sha256)
    response.headers["Location"] = f"{router.prefix}/{upload.id}"
    return UploadView.model_validate(upload)


@router.get("", responses=responses(400))
def list_uploads(
    caller: Caller,
    found: Found,
    kind: UploadKind | None = None,
    state: UploadState | None = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 50,
) -> UploadPage:
    """Uploads, newest first."""
    page = found.catalog.search(caller.team_id, kind, state, cursor, limit)
    return UploadPage(items=[UploadView.model_validate(u) for u in page.items], next_cursor=page.next_cursor)


@router.get("/{upload_id}", responses=responses(404))
def get_upload(upload_id: str, caller: Caller, found: Found) -> UploadView:
    """One upload; which parts have arrived tells what is left to send."""
    return UploadView.model_validate(found.catalog.get(caller.team_id, upload_id))


@router.put("/{upload_id}/parts/{number}", responses=responses(404, 409), openapi_extra=BODY)
async def put_part(
    upload_id: str,
    number: Annotated[int, Path(ge=1, le=1_000_000)],
    request: Request,
    caller: Caller,
    found: Found,
    x_content_sha256: Annotated[str | None, Header(pattern=SHA256)] = None,
) -> UploadView:
    """Send one part, in any order; a part that failed is sent again."""
    async with body_chunks(request) as chunks:
        upload = await run_in_threadpool(
            found.catalog.put_part, caller.team_id, upload_id, number, chunks, x_content_sha256
        )
    return UploadView.model_validate(upload)


@router.post("/{upload_id}/complete", status_code=202, responses=responses(404, 409))
def complete_upload(upload_id: str, caller: Caller, found: Found) -> UploadView:
    """Everything is sent: check the whole and validate its content. Asking again is harmless."""
    return UploadView.model_validate(found.catalog.complete(caller.team_id, upload_id))


@router.post("/whole", status_code=202, responses=responses(413), openapi_extra=BODY)
async def upload_whole(
    request: Request,
    caller: Caller,
    found: Found,
    kind: UploadKind,
    name: Annotated[str, Query(min_length=1, max_length=1000)],
    content_length: Annotated[int, Header(ge=0)],
    x_content_sha256: Annotated[str | None, Header(pattern=SHA256)] = None,
) -> UploadView:
    """Upload a small file in a single request."""
    catalog, team = found.catalog, caller.team_id
    upload = await run_in_threadpool(catalog.create, team, kind, name, content_length, x_content_sha256)
    async with body_chunks(request) as chunks:
        for number in range(1, upload.parts + 1):
            left = content_length - (number - 1) * upload.part_bytes
            part = chunks.take(min(left, upload.part_bytes))
            await run_in_threadpool(catalog.put_part, team, upload.id, number, part, None)
    return UploadView.model_validate(await run_in_threadpool(catalog.complete, team, upload.id))


@router.delete("/{upload_id}", status_code=204, responses=responses(404, 409))
def delete_upload(upload_id: str, caller: Caller, found: Found) -> None:
    """Forget an upload that no job refers to."""
    found.catalog.delete(caller.team_id, upload_id)
