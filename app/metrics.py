"""What worker and reconciler count as it happens, each its own; `worker.metrics_server` exposes it."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

LEASE_EXPIRIES = Counter(
    "primesvt_lease_expiries", "Jobs and uploads taken back from workers that fell silent.", ["what"], registry=REGISTRY
)
STEP_SECONDS = Histogram(
    "primesvt_step_seconds",
    "How long the steps of jobs take.",
    ["step"],
    registry=REGISTRY,
    buckets=(0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14_400, 86_400),
)
WEBHOOK_SECONDS = Histogram(
    "primesvt_webhook_seconds",
    "How long attempts at deliveries take.",
    ["outcome"],
    registry=REGISTRY,
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15),
)
RECONCILED_AT = Gauge("primesvt_reconciled_timestamp_seconds", "When everything was last put right.", registry=REGISTRY)
