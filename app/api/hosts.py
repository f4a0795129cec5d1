"""Which names this server answers to: a page whose name is made to point here (DNS rebinding) gets nothing."""

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
EXEMPT = frozenset({"/livez", "/readyz", "/metrics"})
"""What probes ask for by whatever name they know."""

HOST = re.compile(r"\[(?P<v6>[0-9A-Fa-f:.]+)\](:\d{1,5})?|(?P<name>[A-Za-z0-9._-]+)(:\d{1,5})?")


def known_names(settings: Settings) -> frozenset[str]:
    """Names of the settings, those that lead to this machine from itself, and the one that people are told."""
    listed = {name.strip() for name in settings.allowed_hosts.split(",")}
    public = urlsplit(settings.public_url).hostname or ""
    names = {*listed, public, "localhost", socket.gethostname()}
    return frozenset(_bare(name) for name in names if name)


class Hosts:
    """Answers 421 to requests for another name. Addresses are always right: no name leads a browser to them."""

    def __init__(self, app: ASGIApp, known: frozenset[str]) -> None:
        self.app, self.known = app, known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in EXEMPT:
            asked = Headers(scope=scope).get("host", "")
            if not self.is_known(asked):
                answer = problem.answer(Request(scope), 421, "host_not_allowed", _refusal(asked))
                return await answer(scope, receive, send)
        return await self.app(scope, receive, send)

    def is_known(self, asked: str) -> bool:
        """Whether a ``Host`` field names this server."""
        match = HOST.fullmatch(asked)
        if match is None:
            return False
        name = _bare(match["v6"] or match["name"])
        return ANY in self.known or name in self.known or _is_address(name)


def _refusal(asked: str) -> str:
    return f"this server is not called {asked[:100]!r}; who runs it may name it in PRIMESVT_ALLOWED_HOSTS"


def _bare(name: str) -> str:
    return name.lower().removesuffix(".")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
