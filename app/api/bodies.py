"""Bodies of requests: their size, and the media type of JSON, are checked before they are read into memory."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from email.message import Message
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import Message as AsgiMessage

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

LARGEST_JSON_BYTES = 1 << 20
"""A spec names groups and rates, a thousand bytes or so; nobody needs a thousand times that."""

TOO_LARGE = f"the request has more than {LARGEST_JSON_BYTES:,} bytes of JSON; files belong into an upload's parts"
NOT_JSON = "the request's body must be JSON; send it as 'Content-Type: application/json'"


class BoundedRoute(APIRoute):
    """A route whose JSON body, if it has one, is bounded."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def handle_bounded(request: Request) -> Response:
            if not _is_json(request):
                raise HTTPException(415, NOT_JSON)
            return await handle(bounded(request, LARGEST_JSON_BYTES, TOO_LARGE))

        return handle_bounded


def media_type(request: Request) -> Message:
    """What a request says that its body is."""
    message = Message()
    message["content-type"] = request.headers.get("content-type", "")
    return message


def _is_json(request: Request) -> bool:
    said = media_type(request)
    subtype = said.get_content_subtype()
    return said.get_content_maintype() == "application" and (subtype == "json" or subtype.endswith("+json"))


def declared_length(request: Request) -> int | None:
    """How many bytes a request says that its body has; None if it says nothing of the kind."""
    length = request.headers.get("content-length", "")
    return int(length[:20]) if length.isascii() and length.isdigit() else None


def bounded(request: Request, most: int, refusal: str) -> Request:
    """The request, reading of which ends with 413 beyond ``most`` bytes, whatever length it declared."""
    if (declared_length(request) or 0) > most:
        raise HTTPException(413, refusal)
    seen = 0

    async def receive() -> AsgiMessage:
        nonlocal seen
        message = await request.receive()
        seen += len(message.get("body", b""))
        if seen > most:
            raise HTTPException(413, refusal)
        return message

    return Request(request.scope, receive)
