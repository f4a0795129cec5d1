"""The ASGI application, put together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Response

from app.api import jobs, meta, problem, uploads
from app.services import Services, assemble
from app.settings import Settings
from app.web import mount
from primesvt_core import __version__

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none';"
        " form-action 'self'"
    ),
}


def create_app(settings: Settings, services: Services | None = None) -> FastAPI:
    """The application of these settings; ``services`` replaces what they would open, in tests."""
    app = FastAPI(
        title="PrimeSVT", version=__version__, docs_url=None, redoc_url=None, openapi_url="/api/v1/openapi.json"
    )
    app.state.services = services or assemble(settings)
    problem.install(app)
    for router in (uploads.router, jobs.router, meta.router):
        app.include_router(router)
    mount(app)

    @app.middleware("http")
    async def harden(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    _document_problems(app)
    return app


def _document_problems(app: FastAPI) -> None:
    """Put the problem's schema where the operations' responses refer to it."""
    schema = app.openapi()
    components = schema.setdefault("components", {}).setdefault("schemas", {})
    described = problem.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    components |= described.pop("$defs", {})
    components["Problem"] = described
    app.openapi_schema = schema
