"""Security header fields of every response."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    # Neither API responses nor job files are documents of this site; pages set a policy of their own.
    "Content-Security-Policy": (
        "sandbox; default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
}

NOT_KEPT = {"Cache-Control": "no-store"}
"""Of the API: neither browsers nor proxies keep a team's things on their disks."""


class SecurityHeadersMiddleware:
    """Adds `HEADERS` where the response does not set them."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        added = HEADERS | (NOT_KEPT if scope.get("path", "").startswith("/api/") else {})

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in added.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_with_headers if scope["type"] == "http" else send)
