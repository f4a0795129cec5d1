"""Limits of a request's header fields: everything that reads one of them looks through all."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api import problem

MOST_FIELDS = 100
MOST_BYTES = 32 << 10
REFUSAL = f"a request may have {MOST_FIELDS} header fields of {MOST_BYTES:,} bytes together"


class HeaderLimitsMiddleware:
    """Answers 431 to requests with too many header fields, or too large ones; the outermost part of the application."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _is_beyond(scope):
            # Its fields are looked at no more.
            bare = Request({**scope, "headers": []})
            await problem.answer(bare, 431, "request_header_fields_too_large", REFUSAL)(scope, receive, send)
            return
        await self.app(scope, receive, send)


def _is_beyond(scope: Scope) -> bool:
    fields = scope["headers"]
    return len(fields) > MOST_FIELDS or sum(len(name) + len(value) for name, value in fields) > MOST_BYTES
