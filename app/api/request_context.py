"""The context of a request, its client address and id: bound to its audit entries and log lines."""

from __future__ import annotations

import random
import re
from dataclasses import replace

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import logs
from app.teams.actors import NOBODY, acting

HEADER = "X-Request-ID"
GIVEN = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestContextMiddleware:
    """Gives every request an id, the client's own if it is valid, and returns it in the response."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        given = Headers(scope=scope).get(HEADER, "")
        request_id = given if GIVEN.fullmatch(given) else f"{random.getrandbits(128):032x}"  # no secret

        state["request_id"] = request_id  # for errors answered further out

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        ip = scope["client"][0] if scope.get("client") else None
        with acting(replace(NOBODY, ip=ip, request_id=request_id)), logs.answering(request_id):
            await self.app(scope, receive, send_with_id)
