"""Renders templates into responses: escaping, built scripts, and the header fields of every page."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.example_files import is_there
from app.web import chart_data, labels, list_words
from primesvt_client.facts import CheckpointFacts, DataSetFacts
from primesvt_client.shares import rate_text
from primesvt_client.sizes import both_operations_text, sizes_text
from primesvt_client.verdicts import title
from primesvt_core import __version__

STATIC = Path(__file__).resolve().parent / "static"
YEAR = "public, max-age=31536000, immutable"

POLICY = "Content-Security-Policy"
HEADERS = {
    # No inline script or style anywhere, so no nonce is needed either.
    POLICY: (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}

HTMX_CONFIG = (
    '{"includeIndicatorStyles":false,"allowEval":false,"allowScriptTags":false,"selfRequestsOnly":true,'
    '"historyCacheSize":0,"refreshOnHistoryMiss":true}'
)
"""No feature that the content security policy forbids, and no page kept in the browser's storage."""


def asset(name: str) -> str | None:
    """URL of a static file, with its digest so that it may be cached for ever; None if it was not built."""
    path = STATIC / name
    if not path.is_file():
        return None
    return f"/static/{name}?v={_digest(path, path.stat().st_mtime_ns)}"


@lru_cache(maxsize=64)
def _digest(path: Path, _changed: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


class CachedFiles(StaticFiles):
    """Static files; those requested by digest never change."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if response.status_code == 200 and b"v=" in scope.get("query_string", b""):
            response.headers["Cache-Control"] = YEAR
        return response


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("app.web"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": labels.percent,
        "points": labels.points,
        "size": labels.size,
        "count": labels.count,
        "rate": rate_text,
        "sizes": sizes_text,
        "both_operations": both_operations_text,
        "duration": labels.duration,
        "family": labels.family,
        "utc": labels.utc,
        "utc_exact": labels.utc_exact,
        "iso": labels.iso,
        "state": labels.state,
        "tone": labels.tone,
        "role": lambda name: labels.ROLES[name],
        "scope": lambda name: labels.SCOPES[name],
        "event": lambda name: labels.EVENTS.get(name, name),
        "verdict": title,
        "budget": list_words.budget_text,
        "candidate": chart_data.candidate,
        "pretty": lambda document: json.dumps(document, indent=2, ensure_ascii=False),
    }
    environment.tests |= {
        "checkpoint": lambda facts: isinstance(facts, CheckpointFacts),
        "data_set": lambda facts: isinstance(facts, DataSetFacts),
    }
    environment.globals |= {
        "asset": asset,
        "htmx_config": HTMX_CONFIG,
        "version": __version__,
        "NOTHING": labels.NOTHING,
        "NO_SUMMARY": labels.NO_SUMMARY,
        "is_good": labels.is_good,
        "has_example": is_there,
    }
    return environment


ENVIRONMENT = _environment()


def page(request: Request, template: str, status: int = 200, /, **context: object) -> HTMLResponse:
    """A template as a response; ``user`` in ``context`` is the signed-in `PageUser`."""
    context = {"user": None, "path": request.url.path, **context}
    return HTMLResponse(ENVIRONMENT.get_template(template).render(context), status, headers(request))


def headers(request: Request) -> dict[str, str]:
    """Header fields of a page; its scripts may also connect to storage that accepts uploads from browsers."""
    origin = request.app.state.services.store.public_origin()
    policy = HEADERS[POLICY]
    return {
        **HEADERS,
        POLICY: policy.replace("connect-src 'self'", f"connect-src 'self' {origin}") if origin else policy,
    }


def is_fragment(request: Request) -> bool:
    """Whether htmx requests a part of a page."""
    return request.headers.get("hx-request") == "true"
