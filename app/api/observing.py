"""How the server fares, in numbers for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.jobs.service import JobService

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)


class JobCollector(Collector):
    """Counts jobs when the metrics are asked for: the database is the only record of them."""

    def __init__(self, jobs: JobService) -> None:
        self.jobs = jobs

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily("primesvt_jobs", "Jobs by state.", labels=["state"])
        for state, count in self.jobs.count_by_state().items():
            family.add_metric([state.value], count)
        yield family


class Metrics:
    """The numbers of one application."""

    def __init__(self, jobs: JobService) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(JobCollector(jobs))
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
        route = getattr(scope.get("route"), "path", "none")
        self.requests.labels(method, route, str(status)).inc()
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
