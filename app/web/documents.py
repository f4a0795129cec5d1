"""The documents at ``/docs``: files of a site that `app.web.build_site` has built, which needs no internet."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from fastapi import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.web.rendering import HEADERS, POLICY, YEAR, page

SITE = Path(__file__).resolve().parent / "site"
INLINE_SCRIPTS = "inline-scripts.txt"
"""Of a built site, as `app.web.build_site` writes it, which runs without this package."""

NAMED_BY_DIGEST = re.compile(r"\.[0-9a-f]{8}\.min\.(css|js)$")
"""The theme's own files, whose names change when they do."""

CHECKED = "no-cache"
"""Everything else is kept by browsers and proxies, and asked for again: its ETag says whether it has changed."""


class DocumentFiles(StaticFiles):
    """A built site; while there is none, a page that says how to build one."""

    def __init__(self, folder: Path = SITE) -> None:
        super().__init__(directory=folder, html=True, check_dir=False)
        self._folder = folder

    async def check_config(self) -> None:
        """A folder that is not there is answered for by a page."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        noted = self._folder / INLINE_SCRIPTS
        if not noted.is_file():
            return page(Request(scope), "no_documents.html", 503)
        response = await super().get_response(path, scope)
        response.headers.update(HEADERS)
        response.headers[POLICY] = _policy(noted, noted.stat().st_mtime_ns)
        response.headers["Cache-Control"] = YEAR if NAMED_BY_DIGEST.search(path) else CHECKED
        return response


@lru_cache(maxsize=8)
def _policy(noted: Path, _changed: int) -> str:
    """What the site's pages may do: as the dashboard's, and run their inline scripts and the worker that searches."""
    allowed = " ".join(noted.read_text(encoding="ascii").split())
    scripts = f"script-src 'self' {allowed}".rstrip()
    return HEADERS[POLICY].replace("script-src 'self'", f"{scripts}; worker-src 'self'")
