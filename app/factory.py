"""The ASGI application, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app.api import (
    artifacts,
    audit,
    bundles,
    datasets,
    events,
    job_comparison,
    job_lists,
    job_results,
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
from app.api.allowed_hosts import AllowedHostsMiddleware, allowed_names
from app.api.batching import BatchLoader
from app.api.body_timeouts import BodyTimeoutMiddleware
from app.api.event_polling import EventPoller
from app.api.fair_requests import FairRequestsMiddleware
from app.api.header_limits import HeaderLimitsMiddleware
from app.api.job_polling import JobPoller
from app.api.rate_limit_headers import RateLimitHeadersMiddleware
from app.api.readiness import readiness
from app.api.request_context import RequestContextMiddleware
from app.api.request_metrics import Metrics, RequestMetricsMiddleware
from app.api.security_headers import SecurityHeadersMiddleware
from app.metrics import serve_metrics
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
    services = services or assemble(settings)
    app.state.services = services
    app.state.key_loader = BatchLoader(services.keys.holders)
    app.state.event_poller = EventPoller(services.jobs.last_events)
    app.state.job_poller = JobPoller(services.jobs, app.state.event_poller, BatchLoader(services.jobs.many))
    app.state.readiness = readiness(services)
    app.state.metrics = Metrics(ServiceStats(services.database, services.workers))
    problem.install(app)
    # Lists first: their paths are not ids of jobs.
    for noun in (
        job_lists,
        job_comparison,
        job_results,
        jobs,
        uploads,
        datasets,
        events,
        artifacts,
        bundles,
        webhooks,
        teams,
        members,
        keys,
        audit,
        workers,
        meta,
    ):
        app.include_router(noun.router)
    mount(app)
    app.add_middleware(FairRequestsMiddleware)
    app.add_middleware(BodyTimeoutMiddleware)
    app.add_middleware(SecurityHeadersMiddleware)
    app.add_middleware(RateLimitHeadersMiddleware)
    app.add_middleware(AllowedHostsMiddleware, names=allowed_names(settings))
    app.add_middleware(RequestMetricsMiddleware, metrics=app.state.metrics)
    app.add_middleware(RequestContextMiddleware)
    if settings.trusted_proxies:  # everything below sees the client behind the proxy
        proxies = [entry.strip() for entry in settings.trusted_proxies.split(",")]
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=proxies)
    app.add_middleware(HeaderLimitsMiddleware)
    openapi.describe(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    services: Services = app.state.services
    with serve_metrics(services.settings.metrics_address, app.state.metrics.registry):
        yield
    services.database.engine.dispose()
