"""Checkpoints and data sets: the list, and sending files with and without the script."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header, Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from app.api.deps import Found, UploadId
from app.api.streams import Chunks, store_body
from app.catalog.records import Upload
from app.catalog.states import UploadKind, UploadState
from app.services import Services
from app.teams.scopes import Scope
from app.web.form_uploads import chosen_file, store, typed_text
from app.web.rendering import HEADERS, is_fragment, page
from app.web.routing import Pages
from app.web.sessions import Visitor, check_token, looks, sends_form, sends_script
from primesvt_client.schemas.base import SHA256
from primesvt_client.schemas.uploads import NewUpload, PartAddresses, PartAddressView, PartNumbers, UploadView

router = Pages("/uploads")

Reader = Annotated[Visitor, looks(Scope.UPLOADS_READ)]
FileSender = Annotated[Visitor, looks(Scope.UPLOADS_WRITE)]  # its token comes with the files, and is checked there
FormSender = Annotated[Visitor, sends_form(Scope.UPLOADS_WRITE)]
ScriptSender = Annotated[Visitor, sends_script(Scope.UPLOADS_WRITE)]

UPLOADS_A_PAGE = 25
PASSING = frozenset({UploadState.UPLOADING, UploadState.STORED, UploadState.VALIDATING})


@router.get("")
def show_uploads(
    request: Request, who: Reader, found: Found, cursor: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """Uploads, newest first; htmx gets the rows alone."""
    return _listed(request, who, found, cursor=cursor)


def _listed(
    request: Request, who: Visitor, found: Services, *, cursor: str = "", problem: str = "", status: int = 200
) -> Response:
    uploads = found.catalog.search(who.team_id, None, None, cursor or None, UPLOADS_A_PAGE)
    return page(
        request,
        "_uploads.html" if is_fragment(request) else "uploads.html",
        status,
        visitor=who,
        uploads=uploads.items,
        problem=problem,
        here=f"/uploads?cursor={cursor}" if cursor else "/uploads",
        first="/uploads" if cursor else "",
        following=f"/uploads?cursor={uploads.next_cursor}" if uploads.next_cursor else "",
        pause="3s" if any(upload.state in PASSING for upload in uploads.items) else "20s",
    )


@router.taking_files("POST", "")
async def send_file(request: Request, who: FileSender, found: Found) -> Response:
    """Take a whole file from a plain form."""
    async with request.form() as form:
        values = typed_text(form)
        check_token(request, who, values.get("form_token", ""))
        file, kind = chosen_file(form, "file"), values.get("kind", "")
        if file is None or kind not in set(UploadKind):
            told = "Choose a file, and say what it is."
            return await run_in_threadpool(_listed, request, who, found, problem=told, status=422)
        await run_in_threadpool(store, found, who.team_id, UploadKind(kind), file)
    return RedirectResponse("/uploads", 303, HEADERS)


@router.post("/begin")
def begin(body: NewUpload, who: ScriptSender, found: Found) -> UploadView:
    """Announce a file that the script sends in parts."""
    upload = found.catalog.create(who.team_id, body.kind, body.name, body.size_bytes, body.sha256)
    return UploadView.model_validate(upload)


@router.taking_files("PUT", "/{upload_id}/parts/{number}")
async def send_part(
    upload_id: UploadId,
    number: Annotated[int, Path(ge=1, le=1_000_000)],
    request: Request,
    who: ScriptSender,
    found: Found,
    x_content_sha256: Annotated[str | None, Header(pattern=SHA256)] = None,
) -> UploadView:
    """Take one part."""

    def keep(chunks: Chunks) -> Upload:
        return found.catalog.put_part(who.team_id, upload_id, number, chunks, x_content_sha256)

    return UploadView.model_validate(await store_body(request, keep))


@router.post("/{upload_id}/part-urls")
def address_parts(upload_id: UploadId, body: PartNumbers, who: ScriptSender, found: Found) -> PartAddresses:
    """Where the script may send parts straight to storage."""
    addresses = found.catalog.presigned_parts(who.team_id, upload_id, body.numbers)
    return PartAddresses(items=[PartAddressView.model_validate(address) for address in addresses])


@router.post("/{upload_id}/complete")
def complete(upload_id: UploadId, who: ScriptSender, found: Found) -> UploadView:
    """Everything was sent: have it checked."""
    return UploadView.model_validate(found.catalog.complete(who.team_id, upload_id))


@router.post("/{upload_id}/delete")
def delete_upload(upload_id: UploadId, who: FormSender, found: Found) -> Response:
    """Forget an upload."""
    found.catalog.delete(who.team_id, upload_id)
    return RedirectResponse("/uploads", 303, HEADERS)
