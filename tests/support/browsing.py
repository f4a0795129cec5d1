"""A browser without scripts: asks for pages and sends forms, through the real application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import anyio
import httpx

from tests.support.dashboard import Dashboard, Team

BROWSER = {"Accept": "text/html,application/xhtml+xml"}
Files = Mapping[str, tuple[str, bytes]]


@asynccontextmanager
async def browser(board: Dashboard, team: Team | None = None) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=board.app, raise_app_exceptions=False)
    cookies = team.cookies if team else {}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://server", headers=BROWSER, cookies=cookies
    ) as client:
        yield client


def get(board: Dashboard, team: Team | None, address: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with browser(board, team) as client:
            return await client.get(address, headers=headers)

    return anyio.run(ask)


def post(
    board: Dashboard,
    team: Team | None,
    address: str,
    fields: Mapping[str, str] | None = None,
    *,
    is_ours: bool = True,
    headers: Mapping[str, str] | None = None,
    files: Files | None = None,
) -> httpx.Response:
    """Send a form; with the token of the team's session unless it is a foreign one."""
    token = {"form_token": board.form_token(team)} if team and is_ours else {}

    async def ask() -> httpx.Response:
        async with browser(board, team) as client:
            return await client.post(address, data={**token, **(fields or {})}, files=files, headers=headers)

    return anyio.run(ask)
