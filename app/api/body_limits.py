"""Limits of request bodies: size and media type are checked before a body is read into memory."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from email.message import Message
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import Message as AsgiMessage

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

LARGEST_JSON_BYTES = 256 << 10
"""The largest, a new job's, has a spec of at most 64 KiB, which may be indented or escaped."""

TOO_LARGE = f"the JSON body exceeds {LARGEST_JSON_BYTES:,} bytes; send files as parts of an upload"
NOT_JSON = "the body must be JSON; send it with 'Content-Type: application/json'"


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
    """The media type that a request declares."""
    message = Message()
    message["content-type"] = request.headers.get("content-type", "")
    return message


def _is_json(request: Request) -> bool:
    declared = media_type(request)
    subtype = declared.get_content_subtype()
    return declared.get_content_maintype() == "application" and (subtype == "json" or subtype.endswith("+json"))


def declared_length(request: Request) -> int | None:
    """The Content-Length that a request declares; None without a valid one."""
    length = request.headers.get("content-length", "")
    return int(length[:20]) if length.isascii() and length.isdigit() else None


def bounded(request: Request, limit: int, refusal: str) -> Request:
    """The request; reading more than ``limit`` bytes of it raises 413, whatever length it declared."""
    if (declared_length(request) or 0) > limit:
        raise HTTPException(413, refusal)
    received = 0

    async def receive() -> AsgiMessage:
        nonlocal received
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise HTTPException(413, refusal)
        return message

    return Request(request.scope, receive)
