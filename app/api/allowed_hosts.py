"""Host names that this server answers to: protects from DNS rebinding."""

from __future__ import annotations

import re
import socket
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api import problem
from app.settings import Settings

ANY = "*"
EXEMPT = frozenset({"/livez", "/readyz"})
"""Requested by probes under any name."""

HOST = re.compile(r"\[(?P<v6>[0-9A-Fa-f:.]+)\](:\d{1,5})?|(?P<name>[A-Za-z0-9._-]+)(:\d{1,5})?")


def allowed_names(settings: Settings) -> frozenset[str]:
    """The names of the settings, of the public URL and of this machine."""
    listed = {name.strip() for name in settings.allowed_hosts.split(",")}
    public = urlsplit(settings.public_url).hostname or ""
    names = {*listed, public, "localhost", socket.gethostname()}
    return frozenset(_bare(name) for name in names if name)


class AllowedHostsMiddleware:
    """Answers 421 to requests for another name. IP addresses are always allowed: DNS rebinding needs a name."""

    def __init__(self, app: ASGIApp, names: frozenset[str]) -> None:
        self.app, self.names = app, names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in EXEMPT:
            host = Headers(scope=scope).get("host", "")
            if not self.is_allowed(host):
                answer = problem.answer(Request(scope), 421, "host_not_allowed", _refusal(host))
                return await answer(scope, receive, send)
        return await self.app(scope, receive, send)

    def is_allowed(self, host: str) -> bool:
        """Whether a ``Host`` field names this server."""
        match = HOST.fullmatch(host)
        if match is None:
            return False
        name = _bare(match["v6"] or match["name"])
        return ANY in self.names or name in self.names or _is_address(name)


def _refusal(host: str) -> str:
    return f"the host {host[:100]!r} is not allowed; an operator can add it to PRIMESVT_ALLOWED_HOSTS"


def _bare(name: str) -> str:
    return name.lower().removesuffix(".")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
