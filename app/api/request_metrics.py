"""Prometheus metrics of requests, jobs, workers and uploads."""

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
    """The route of a request, for logs and metrics: its path may hold the secret of a link."""
    return getattr(scope.get("route"), "path", "none")


class StatsCollector(Collector):
    """Counts the service's jobs, workers and uploads at each scrape: every process reports the same."""

    def __init__(self, stats: ServiceStats) -> None:
        self.stats = stats

    def collect(self) -> Iterable[Metric]:
        counts = self.stats.count()
        yield _gauge("primesvt_jobs", "Jobs by state.", "state", counts.jobs)
        yield GaugeMetricFamily(
            "primesvt_oldest_queued_seconds", "How long the next job waits.", value=counts.oldest_queued_seconds
        )
        workers = GaugeMetricFamily("primesvt_workers", "Workers by state and device.", labels=["state", "device"])
        for (state, device), count in counts.workers.items():
            workers.add_metric([state.value, device], count)
        yield workers
        yield _gauge("primesvt_uploads", "Uploads by state.", "state", counts.uploads)
        yield _gauge("primesvt_upload_bytes", "Bytes of complete uploads by kind.", "kind", counts.upload_bytes)
        yield _gauge("primesvt_webhook_deliveries", "Webhook deliveries by state.", "state", counts.deliveries)


def _gauge(name: str, description: str, label: str, counts: Mapping[Any, int]) -> Metric:
    family = GaugeMetricFamily(name, description, labels=[label])
    for value, count in counts.items():
        family.add_metric([value.value], count)
    return family


class Metrics:
    """The metrics of one application."""

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

    def record(self, scope: Scope, status: int, seconds: float) -> None:
        """Record a request under its route: paths are unbounded in number."""
        method = scope["method"] if scope["method"] in METHODS else "other"
        route = route_of(scope)
        self.requests.labels(method, route, str(status)).inc()
        level = logging.DEBUG if method in SAFE and status < SERVER_FAULT else logging.INFO
        if log.isEnabledFor(level):
            fields = {"method": method, "route": route, "status": status, "seconds": round(seconds, 4)}
            log.log(level, "request_answered", extra=fields)
        self.seconds.labels(method, route).observe(seconds)


class RequestMetricsMiddleware:
    """Records every request."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        began, is_recorded = time.perf_counter(), False

        def record(status: int) -> None:
            nonlocal is_recorded
            if not is_recorded:
                self.metrics.record(scope, status, time.perf_counter() - began)
            is_recorded = True

        async def send_recorded(message: Message) -> None:
            if message["type"] == "http.response.start":
                record(message["status"])
            await send(message)

        try:
            await self.app(scope, receive, send_recorded)
        except Exception:
            record(500)  # unexpected errors are answered further out
            raise
