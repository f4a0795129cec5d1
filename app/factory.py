"""The ASGI application, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app.api import (
    artifacts,
    audit,
    events,
    jobs,
    keys,
    members,
    meta,
    openapi,
    problem,
    teams,
    uploads,
    webhooks,
    workers,
)
from app.api.batching import Batch
from app.api.following import JobLooker
from app.api.hardening import Hardening
from app.api.hosts import Hosts, known_names
from app.api.limiting import Limits
from app.api.observing import Measuring, Metrics
from app.api.origins import Origins
from app.api.readiness import readiness
from app.api.watching import Watch
from app.service_stats import ServiceStats
from app.services import Services, assemble
from app.settings import Settings
from app.web import mount
from primesvt_core import __version__

DESCRIPTION = """Shrinks pre-trained Spiking Vision Transformers: upload a checkpoint and a data set, submit a job with
a budget, follow it, download the smaller model and its report. Authenticate with `Authorization: Bearer psvt_…`.
Errors are RFC 9457 problems; their `code` is stable."""


def create_app(settings: Settings, services: Services | None = None) -> FastAPI:
    """The application of these settings; ``services`` replaces what they would open, in tests."""
    app = FastAPI(
        title="PrimeSVT",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        generate_unique_id_function=openapi.operation_id,
        lifespan=_lifespan,
    )
    app.state.services = found = services or assemble(settings)
    app.state.holders = Batch(found.keys.holders)
    app.state.watch = Watch(found.jobs.last_events)
    app.state.looker = JobLooker(found.jobs, app.state.watch, Batch(found.jobs.many))
    app.state.readiness = readiness(found)
    app.state.metrics = Metrics(ServiceStats(found.database, found.workers))
    problem.install(app)
    for noun in (jobs, uploads, events, artifacts, webhooks, teams, members, keys, audit, workers, meta):
        app.include_router(noun.router)
    mount(app)
    app.add_middleware(Hardening)
    app.add_middleware(Limits)
    app.add_middleware(Hosts, known=known_names(settings))
    app.add_middleware(Measuring, metrics=app.state.metrics)
    app.add_middleware(Origins)
    if settings.trusted_proxies:  # outermost: everything else sees whom the proxy asks for
        proxies = [entry.strip() for entry in settings.trusted_proxies.split(",")]
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=proxies)
    openapi.describe(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    app.state.services.database.engine.dispose()
