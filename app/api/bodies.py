"""JSON bodies: their media type and size are checked before they are read into memory."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from email.message import Message
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import Message as AsgiMessage

LARGEST_JSON_BYTES = 1 << 20
"""A spec names groups and rates, a thousand bytes or so; nobody needs a thousand times that."""

TOO_LARGE = f"the request has more than {LARGEST_JSON_BYTES:,} bytes of JSON; files belong into an upload's parts"
NOT_JSON = "the request's body must be JSON; send it as 'Content-Type: application/json'"


class BoundedRoute(APIRoute):
    """A route whose JSON body, if it has one, is bounded."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def handle_bounded(request: Request) -> Response:
            if not _is_json(request.headers.get("content-type", "")):
                raise HTTPException(415, NOT_JSON)
            return await handle(_bounded(request))

        return handle_bounded


def _is_json(content_type: str) -> bool:
    message = Message()
    message["content-type"] = content_type
    subtype = message.get_content_subtype()
    return message.get_content_maintype() == "application" and (subtype == "json" or subtype.endswith("+json"))


def _bounded(request: Request) -> Request:
    """The request, reading of which ends with 413 beyond the limit, whatever length it declared."""
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length[:20]) > LARGEST_JSON_BYTES:
        raise HTTPException(413, TOO_LARGE)
    seen = 0

    async def receive() -> AsgiMessage:
        nonlocal seen
        message = await request.receive()
        seen += len(message.get("body", b""))
        if seen > LARGEST_JSON_BYTES:
            raise HTTPException(413, TOO_LARGE)
        return message

    return Request(request.scope, receive)
