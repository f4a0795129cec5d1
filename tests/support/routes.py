"""Every route of the application, and what one can do to all of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import anyio
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from starlette.types import Message

from tests.support.dashboard import Dashboard

PIECE = bytes(1 << 16)
ENOUGH = 16 << 20
"""A server that has read so much would read anything."""


@dataclass(frozen=True)
class Parameter:
    """Something that a client may write into a request: in its path, its query or its form."""

    place: str
    name: str


@dataclass(frozen=True)
class Known:
    """A method of a route."""

    method: str
    path: str
    parameters: tuple[Parameter, ...]

    @property
    def is_page(self) -> bool:
        return not self.path.startswith("/api/") and self.path not in ("/livez", "/readyz")

    def address(self, values: Mapping[str, str] | None = None) -> str:
        """The path, with ids that nobody has where ``values`` has none."""
        return re.sub(r"\{(\w+)(:path)?\}", lambda match: (values or {}).get(match[1], "1"), self.path)


def routes_of(board: Dashboard) -> Iterator[Known]:
    for context in iter_route_contexts(board.app.routes):
        for method in sorted(context.methods or ()):
            assert context.path
            yield Known(method, context.path, tuple(_parameters(getattr(context, "dependant", None))))


def _parameters(dependant: Dependant | None) -> Iterator[Parameter]:
    if dependant is None:
        return
    fields = {"path": dependant.path_params, "query": dependant.query_params, "form": dependant.body_params}
    for place, found in fields.items():
        yield from (Parameter(place, field.alias) for field in found)
    for deeper in dependant.dependencies:
        yield from _parameters(deeper)


@dataclass(frozen=True)
class Read:
    """How much of a body was read, and what was answered."""

    size: int
    status: int


def flooded(board: Dashboard, method: str, address: str, headers: Mapping[str, str], head: bytes = b"") -> Read:
    """Send a body that does not end; HTTP servers hand it on as it comes."""
    size, status = 0, 0

    async def receive() -> Message:
        nonlocal size
        body = PIECE if size else head + PIECE
        size += len(body)
        return {"type": "http.request", "body": body, "more_body": size < ENOUGH}

    async def send(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)

    async def ask() -> None:
        sent = {"Host": "server", **headers}
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
            "path": address, "raw_path": address.encode(), "query_string": b"", "client": ("127.0.0.1", 1),
            "server": ("server", 80), "headers": [(k.lower().encode(), v.encode()) for k, v in sent.items()],
        }  # fmt: skip
        await board.app(scope, receive, send)

    anyio.run(ask)
    return Read(size, status)
