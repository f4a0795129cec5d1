"""Routers of pages: every page is counted against its sender's rate limit, and bounds what it is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from app.api.bodies import Handler, bounded, declared_length, media_type
from app.services import Services
from app.web.sessions import counted

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

LARGEST_FORM_BYTES = 1 << 20
"""Of a form without files."""

FILES_A_FORM = 3
TOO_LARGE = f"the form has more than {LARGEST_FORM_BYTES:,} bytes"
LENGTH_NEEDED = "say with Content-Length how long the form is"
NOT_UTF_8 = "forms are read as UTF-8; send the form without another charset"


class PageRoute(APIRoute):
    """A route of pages: no more of a request is read than a form may have."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def handle_bounded(request: Request) -> Response:
            _refuse_charset(request)
            return await handle(self.bound(request))

        return handle_bounded

    def bound(self, request: Request) -> Request:
        """The request, with an end to what is read of it."""
        return bounded(request, LARGEST_FORM_BYTES, TOO_LARGE)


class FilesRoute(PageRoute):
    """A route that takes files, as large as uploads may be; how large they are is said beforehand."""

    def bound(self, request: Request) -> Request:
        if declared_length(request) is None:
            raise HTTPException(411, LENGTH_NEEDED)
        services: Services = request.app.state.services
        largest = services.settings.max_upload_bytes
        refusal = f"this form is larger than what the server takes ({largest:,} a file)"
        return bounded(request, FILES_A_FORM * largest + LARGEST_FORM_BYTES, refusal)


class Pages(APIRouter):
    """A router whose routes are pages, and no part of the API."""

    def __init__(self, prefix: str = "") -> None:
        super().__init__(prefix=prefix, include_in_schema=False, route_class=PageRoute, dependencies=[Depends(counted)])

    def taking_files(self, method: str, path: str) -> Callable[[Endpoint], Endpoint]:
        """Add a route that takes files."""

        def add(endpoint: Endpoint) -> Endpoint:
            self.add_api_route(path, endpoint, methods=[method], route_class_override=FilesRoute)
            return endpoint

        return add


def _refuse_charset(request: Request) -> None:
    """Refuse a form of files in a charset that may decode to what is no text, or not at all.

    Raises:
        HTTPException: 415.
    """
    said = media_type(request)
    charsets = [value for name, value in said.get_params(()) if name.lower() == "charset"]
    if said.get_content_maintype() == "multipart" and any(str(charset).lower() != "utf-8" for charset in charsets):
        raise HTTPException(415, NOT_UTF_8)
