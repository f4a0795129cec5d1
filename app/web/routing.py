"""Routers of pages: every request counts against a rate limit, and its body is bounded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from app.api.body_limits import Handler, bounded, declared_length, media_type
from app.settings import Settings
from app.web.sessions import rate_limited_user

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

LARGEST_FORM_BYTES = 256 << 10
"""Of a form without files: the largest has a spec, of at most 64 KiB, percent-encoded."""

FILES_PER_FORM = 3
TOO_LARGE = f"the form exceeds {LARGEST_FORM_BYTES:,} bytes"
LENGTH_NEEDED = "send the size of the form in Content-Length"
NOT_UTF_8 = "the form must be UTF-8; send it without another charset"


class PageRoute(APIRoute):
    """A route of pages, which reads no more of a request than a form may have."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def handle_bounded(request: Request) -> Response:
            _refuse_charset(request)
            return await handle(self.bound(request))

        return handle_bounded

    def bound(self, request: Request) -> Request:
        """The request, of which no more than a form is read."""
        return bounded(request, LARGEST_FORM_BYTES, TOO_LARGE)


class FilesRoute(PageRoute):
    """A route that accepts files, as large as uploads may be, with a Content-Length."""

    def bound(self, request: Request) -> Request:
        if declared_length(request) is None:
            raise HTTPException(411, LENGTH_NEEDED)
        if media_type(request).get_content_type() == "application/x-www-form-urlencoded":  # kept in memory, so no files
            return super().bound(request)
        settings: Settings = request.app.state.services.settings
        largest = settings.max_upload_bytes
        refusal = f"the form is too large; a file may have {largest:,} bytes"
        return bounded(request, FILES_PER_FORM * largest + LARGEST_FORM_BYTES, refusal)


class PageRouter(APIRouter):
    """A router whose routes are pages, not part of the API."""

    def __init__(self, prefix: str = "") -> None:
        super().__init__(
            prefix=prefix, include_in_schema=False, route_class=PageRoute, dependencies=[Depends(rate_limited_user)]
        )

    def file_route(self, method: str, path: str) -> Callable[[Endpoint], Endpoint]:
        """Add a route that accepts files."""

        def add(endpoint: Endpoint) -> Endpoint:
            self.add_api_route(path, endpoint, methods=[method], route_class_override=FilesRoute)
            return endpoint

        return add


def _refuse_charset(request: Request) -> None:
    """Refuse a form with files in a charset other than UTF-8, which may decode to invalid text or fail.

    Raises:
        HTTPException: 415.
    """
    declared = media_type(request)
    charsets = [value for name, value in declared.get_params(()) if name.lower() == "charset"]
    if declared.get_content_maintype() == "multipart" and any(str(charset).lower() != "utf-8" for charset in charsets):
        raise HTTPException(415, NOT_UTF_8)
