"""What worker and reconciler count as it happens, each its own, and the listener on which Prometheus finds it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

log = logging.getLogger(__name__)

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


@contextmanager
def serve_metrics(address: str, registry: CollectorRegistry = REGISTRY) -> Iterator[None]:
    """Answer Prometheus at an address while the block runs; at none if it is empty.

    It is a listener of its own, so that who reaches the service does not reach its metrics.

    Raises:
        OSError: nothing can listen there.
    """
    if not address:
        yield
        return
    host, _, port = address.rpartition(":")
    try:
        server, thread = start_http_server(int(port), host.strip("[]") or "0.0.0.0", registry)  # noqa: S104  # nosec B104  # the address of the settings
    except OSError as error:
        said = f"metrics cannot be served at {address}: {error}; set PRIMESVT_METRICS_ADDRESS to another address"
        raise OSError(error.errno, said) from None
    log.info("metrics_exposed", extra={"address": address})
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
