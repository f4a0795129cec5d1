"""Checkpoints and data sets: the list, and uploads with and without the script."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header, Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from app.api.body_streams import Chunks, store_body
from app.api.deps import Services, UploadId
from app.catalog.records import Upload
from app.catalog.states import UploadKind, UploadState
from app.teams.scopes import Scope
from app.web.form_files import page_form
from app.web.form_uploads import chosen_file, store, text_fields
from app.web.rendering import HEADERS, is_fragment, page
from app.web.routing import PageRouter
from app.web.sessions import PageUser, form_access, page_access, script_access
from primesvt_client.schemas.base import SHA256
from primesvt_client.schemas.uploads import NewUpload, PartAddresses, PartAddressView, PartNumbers, UploadView

router = PageRouter("/uploads")

Reader = Annotated[PageUser, page_access(Scope.UPLOADS_READ)]
Uploader = Annotated[PageUser, page_access(Scope.UPLOADS_WRITE)]  # the token comes with the files, and is checked there
Writer = Annotated[PageUser, form_access(Scope.UPLOADS_WRITE)]
ScriptUser = Annotated[PageUser, script_access(Scope.UPLOADS_WRITE)]

UPLOADS_PER_PAGE = 25
UNSETTLED = frozenset({UploadState.UPLOADING, UploadState.STORED, UploadState.VALIDATING})


@router.get("")
def show_uploads(
    request: Request, user: Reader, services: Services, cursor: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """Uploads, newest first; htmx gets only the rows."""
    return _list(request, user, services, cursor=cursor)


def _list(
    request: Request, user: PageUser, services: Services, *, cursor: str = "", problem: str = "", status: int = 200
) -> Response:
    uploads = services.catalog.search(user.team_id, None, None, cursor or None, UPLOADS_PER_PAGE)
    return page(
        request,
        "_uploads.html" if is_fragment(request) else "uploads.html",
        status,
        user=user,
        uploads=uploads.items,
        uses=services.uses.of(user.team_id, [upload.id for upload in uploads.items]),
        problem=problem,
        here=f"/uploads?cursor={cursor}" if cursor else "/uploads",
        first="/uploads" if cursor else "",
        next_page=f"/uploads?cursor={uploads.next_cursor}" if uploads.next_cursor else "",
        pause="3s" if any(upload.state in UNSETTLED for upload in uploads.items) else "20s",
    )


@router.file_route("POST", "")
async def send_file(request: Request, user: Uploader, services: Services) -> Response:
    """Store a whole file of a plain form."""
    async with page_form(request, user, services) as form:
        values = text_fields(form)
        file, kind = chosen_file(form, "file"), values.get("kind", "")
        if file is None or kind not in set(UploadKind):
            problem = "Choose a file and its kind."
            return await run_in_threadpool(_list, request, user, services, problem=problem, status=422)
        await run_in_threadpool(store, services, user.team_id, UploadKind(kind), file)
    return RedirectResponse("/uploads", 303, HEADERS)


@router.post("/begin")
def begin(body: NewUpload, user: ScriptUser, services: Services) -> UploadView:
    """Create an upload, which the script sends in parts."""
    upload = services.catalog.create(user.team_id, body.kind, body.name, body.size_bytes, body.sha256)
    return UploadView.model_validate(upload)


@router.file_route("PUT", "/{upload_id}/parts/{number}")
async def send_part(
    upload_id: UploadId,
    number: Annotated[int, Path(ge=1, le=1_000_000)],
    request: Request,
    user: ScriptUser,
    services: Services,
    x_content_sha256: Annotated[str | None, Header(pattern=SHA256)] = None,
) -> UploadView:
    """Store one part."""

    def put(chunks: Chunks) -> Upload:
        return services.catalog.put_part(user.team_id, upload_id, number, chunks, x_content_sha256)

    return UploadView.model_validate(await store_body(request, user.team_id, put))


@router.post("/{upload_id}/part-urls")
def address_parts(upload_id: UploadId, body: PartNumbers, user: ScriptUser, services: Services) -> PartAddresses:
    """Presigned URLs to which the script can send parts directly."""
    addresses = services.catalog.presigned_parts(user.team_id, upload_id, body.numbers)
    return PartAddresses(items=[PartAddressView.model_validate(address) for address in addresses])


@router.post("/{upload_id}/complete")
def complete(upload_id: UploadId, user: ScriptUser, services: Services) -> UploadView:
    """Complete the upload: queue its validation."""
    return UploadView.model_validate(services.catalog.complete(user.team_id, upload_id))


@router.post("/{upload_id}/delete")
def delete_upload(upload_id: UploadId, user: Writer, services: Services) -> Response:
    """Delete an upload that no job uses."""
    services.uses.check_unused(user.team_id, upload_id, services.catalog.own_name(user.team_id, upload_id))
    services.catalog.delete(user.team_id, upload_id)
    return RedirectResponse("/uploads", 303, HEADERS)
