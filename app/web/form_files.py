"""Forms with files: nothing of a file is kept before the form has shown that a page of this site made it."""

from __future__ import annotations

import errno
import hmac
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from shutil import disk_usage
from tempfile import SpooledTemporaryFile
from typing import Any

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, Headers
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser

from app.api.body_limits import declared_length, media_type
from app.errors import StorageQuotaExceeded
from app.services import Services
from app.storage import StoreFull
from app.web.routing import FILES_PER_FORM, LARGEST_FORM_BYTES
from app.web.sessions import CSRF_REFUSAL, PageUser, check_token, is_same_origin

TOKEN = "form_token"  # noqa: S105  # nosec B105  # the name of a field
MOST_FIELDS = 500
LONGEST_FIELD = 128 << 10


class TokenFirstParser(MultiPartParser):
    """Reads a form whose token comes before its files, which go to ``folder``; its text is bounded as a whole."""

    def __init__(self, headers: Headers, stream: AsyncGenerator[bytes, None], token: str, folder: Path) -> None:
        super().__init__(headers, stream, max_files=FILES_PER_FORM, max_fields=MOST_FIELDS, max_part_size=LONGEST_FIELD)
        self.token, self.folder = token, folder
        self.is_ours, self.text_bytes = False, 0

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._current_part.file is None:
            self.text_bytes += end - start
            if self.text_bytes > LARGEST_FORM_BYTES:
                raise MultiPartException(f"the text of the form exceeds {LARGEST_FORM_BYTES:,} bytes")
        super().on_part_data(data, start, end)

    def on_part_end(self) -> None:
        if self._current_part.field_name == TOKEN and self._current_part.file is None:
            self.is_ours = hmac.compare_digest(bytes(self._current_part.data), self.token.encode())
        super().on_part_end()

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        if self._current_part.file is None:
            return
        if not self.is_ours:
            raise HTTPException(403, CSRF_REFUSAL)
        spool: SpooledTemporaryFile[bytes] = SpooledTemporaryFile(self.spool_max_size, dir=str(self.folder))  # noqa: SIM115
        self._files_to_close_on_error.pop().close()  # Starlette's own, which would lie elsewhere
        self._files_to_close_on_error.append(spool)
        file: Any = spool  # as Starlette itself has it
        self._current_part.file.file = file


@asynccontextmanager
async def page_form(request: Request, user: PageUser, services: Services) -> AsyncIterator[FormData]:
    """The form of a request, which a page of this site made; its files are gone when the block ends.

    Raises:
        HTTPException: 403: another site may have sent it; 400: it is damaged.
        StorageQuotaExceeded: its files are more than the team may still store.
        StoreFull: its files are more than the disk has room for.
    """
    if not is_same_origin(request):
        raise HTTPException(403, CSRF_REFUSAL)
    if media_type(request).get_content_type() == "multipart/form-data":
        await run_in_threadpool(_check_room, services, user.team_id, declared_length(request) or 0)
        form = await _parsed(request, user, services.settings.scratch)
    else:
        form = await request.form(max_fields=MOST_FIELDS)
    try:
        check_token(request, user, str(form.get(TOKEN, "")))
        yield form
    finally:
        await form.close()


async def _parsed(request: Request, user: PageUser, folder: Path) -> FormData:
    try:
        return await TokenFirstParser(request.headers, request.stream(), user.form_token, folder).parse()
    except MultiPartException as error:
        raise HTTPException(400, error.message) from None


def _check_room(services: Services, team: str, size_bytes: int) -> None:
    """Before files are received that could not be stored."""
    folder = services.settings.scratch
    folder.mkdir(parents=True, exist_ok=True)
    if size_bytes > LARGEST_FORM_BYTES and disk_usage(folder).free - size_bytes < services.settings.keep_free_bytes:
        raise StoreFull(errno.ENOSPC, f"{folder} has no room for a form of {size_bytes:,} bytes")
    left = services.quotas.left_bytes(team)
    files_bytes = size_bytes - LARGEST_FORM_BYTES
    if left is not None and files_bytes > left:
        raise StorageQuotaExceeded(
            f"the form has {size_bytes:,} bytes, and the team may store {left:,} more; delete uploads or finished jobs"
            " that nobody needs, or send a smaller file"
        )
