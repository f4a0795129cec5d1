"""A browser without scripts: asks for pages and sends forms, through the real application."""

from __future__ import annotations

import html
import re
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


def once(page: str) -> str:
    """The secret that a page shows only once."""
    found = re.search(r'id="secret" readonly value="([^"]+)"', page)
    assert found
    return html.unescape(found[1])


def forms_of(page: str) -> set[str]:
    """Targets of a page's forms, except the sign-out."""
    return set(re.findall(r'<form method="post" action="([^"]+)"', page)) - {"/sign-out"}


def attributes(page: str, name: str) -> list[str]:
    """Values of an attribute, in the order of the page."""
    return [html.unescape(value) for value in re.findall(rf'\s{re.escape(name)}="([^"]*)"', page)]


def text_of(page: str, attribute: str, value: str) -> str:
    """Text of the first element with an attribute of that value, without tags."""
    found = re.search(
        rf'<(\w+)[^>]*\s{re.escape(attribute)}="{re.escape(html.escape(value))}"[^>]*>(.*?)</\1>', page, re.S
    )
    assert found, (attribute, value)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", found[2]))).strip()


def codes(page: str) -> list[str]:
    """Codes of the errors that a page shows."""
    return attributes(page, "data-code")


def next_page(page: str) -> str:
    """Where a list goes on."""
    found = re.search(r'href="([^"]+)" rel="next"', page)
    assert found
    return html.unescape(found[1])
