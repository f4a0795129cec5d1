"""A client of the real application, without a network in between."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import httpx

from tests.support.dashboard import Dashboard, Team

JSON = {"Content-Type": "application/json"}
"""For bodies that no client would send."""


class Api:
    """Sends requests with a team's key."""

    def __init__(self, board: Dashboard, team: Team | None) -> None:
        self.board = board
        self.headers = {"Authorization": f"Bearer {team.secret}"} if team else {}

    def __call__(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.board.app, raise_app_exceptions=False)
            headers = {**self.headers, **options.pop("headers", {})}
            async with httpx.AsyncClient(transport=transport, base_url="http://server", timeout=30) as client:
                return await client.request(method, path, headers=headers, **options)

        return anyio.run(ask)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self("GET", "/api/v1" + path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self("POST", "/api/v1" + path, **options)

    def put(self, path: str, **options: Any) -> httpx.Response:
        return self("PUT", "/api/v1" + path, **options)

    def delete(self, path: str) -> httpx.Response:
        return self("DELETE", "/api/v1" + path)


@contextmanager
def problem(answer: httpx.Response, status: int, code: str) -> Iterator[dict[str, Any]]:
    """The answer, which must be an RFC 9457 problem of that status and code."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert {"type", "title", "status", "detail", "instance", "code"} <= document.keys()
    assert (document["status"], document["code"]) == (status, code), document
    assert document["detail"]
    yield document
