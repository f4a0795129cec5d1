"""How the server fares, in numbers for Prometheus."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.service_stats import ServiceStats

log = logging.getLogger(__name__)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
SERVER_FAULT = 500
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)


def route_of(scope: Scope) -> str:
    """The template of a request's address, for logs and metrics: an address may hold the secret of a link."""
    return getattr(scope.get("route"), "path", "none")


class StatsCollector(Collector):
    """Counts the whole service's things when the metrics are asked for: every process that answers says the same."""

    def __init__(self, stats: ServiceStats) -> None:
        self.stats = stats

    def collect(self) -> Iterable[Metric]:
        found = self.stats.count()
        yield _gauge("primesvt_jobs", "Jobs by state.", "state", found.jobs)
        yield GaugeMetricFamily(
            "primesvt_oldest_queued_seconds", "How long the next job waits.", value=found.oldest_queued_seconds
        )
        workers = GaugeMetricFamily("primesvt_workers", "Workers by state and device.", labels=["state", "device"])
        for (state, device), count in found.workers.items():
            workers.add_metric([state.value, device], count)
        yield workers
        yield _gauge("primesvt_uploads", "Uploads by state.", "state", found.uploads)
        yield _gauge("primesvt_upload_bytes", "Bytes of complete uploads by kind.", "kind", found.upload_bytes)
        yield _gauge("primesvt_webhook_deliveries", "Webhook deliveries by state.", "state", found.deliveries)


def _gauge(name: str, told: str, label: str, counts: Mapping[Any, int]) -> Metric:
    family = GaugeMetricFamily(name, told, labels=[label])
    for value, count in counts.items():
        family.add_metric([value.value], count)
    return family


class Metrics:
    """The numbers of one application."""

    def __init__(self, stats: ServiceStats) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(StatsCollector(stats))
        labels = ("method", "route")
        self.requests = Counter(
            "primesvt_http_requests", "Requests answered.", (*labels, "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "primesvt_http_response_seconds",
            "Time until a response begins; long polls wait on purpose.",
            labels,
            registry=self.registry,
            buckets=SECONDS,
        )

    def note(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request under its route's template: addresses themselves are without number."""
        method = scope["method"] if scope["method"] in METHODS else "other"
        route = route_of(scope)
        self.requests.labels(method, route, str(status)).inc()
        level = logging.DEBUG if method in SAFE and status < SERVER_FAULT else logging.INFO
        if log.isEnabledFor(level):
            told = {"method": method, "route": route, "status": status, "seconds": round(seconds, 4)}
            log.log(level, "request_answered", extra=told)
        self.seconds.labels(method, route).observe(seconds)


class Measuring:
    """Notes every request."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        began, noted = time.perf_counter(), False

        def note(status: int) -> None:
            nonlocal noted
            if not noted:
                self.metrics.note(scope, status, time.perf_counter() - began)
            noted = True

        async def send_noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                note(message["status"])
            await send(message)

        try:
            await self.app(scope, receive, send_noted)
        except Exception:
            note(500)  # what nobody expected is answered further out
            raise
