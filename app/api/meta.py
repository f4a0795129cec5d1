"""What the server can do, whether it is well, and how it fares."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from app.api.deps import Found
from app.jobs.service import JobService
from app.queue import CeleryDoorbell
from primesvt_core import registry, report, spec

router = APIRouter()


@router.get("/api/v1/plugins", tags=["meta"])
def plugins() -> dict[str, tuple[str, ...]]:
    """Families, policies and criteria of this server."""
    return {kind: registry.available(kind) for kind in ("families", "policies", "criteria")}


@router.get("/api/v1/spec/schema", tags=["meta"])
def spec_schema() -> dict[str, Any]:
    """JSON Schema of a constraint spec."""
    schema: dict[str, Any] = json.loads(spec.json_schema())
    return schema


@router.get("/api/v1/report/schema", tags=["meta"])
def report_schema() -> dict[str, Any]:
    """JSON Schema of report.json."""
    schema: dict[str, Any] = json.loads(report.json_schema())
    return schema


@router.get("/livez", tags=["operation"])
def livez() -> dict[str, str]:
    """Whether the process answers."""
    return {"status": "ok"}


@router.get("/readyz", tags=["operation"], responses={503: {"description": "Something it needs is not there."}})
def readyz(found: Found) -> JSONResponse:
    """Whether database, storage and broker answer."""
    bell = found.doorbell
    checks = {
        "database": found.database.is_ready(),
        "storage": found.store.is_ready(),
        "broker": bell.is_ready() if isinstance(bell, CeleryDoorbell) else True,
    }
    ready = all(checks.values())
    return JSONResponse({"status": "ok" if ready else "not ready", "checks": checks}, 200 if ready else 503)


class JobCollector:
    """Counts jobs when the metrics are asked for."""

    def __init__(self, jobs: JobService) -> None:
        self.jobs = jobs

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily("primesvt_jobs", "Jobs by state.", labels=["state"])
        for state, count in self.jobs.count_by_state().items():
            family.add_metric([state.value], count)
        yield family


@router.get("/metrics", tags=["operation"], response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(found: Found) -> Response:
    """For Prometheus: numbers of all teams, nothing of any one."""
    collector = CollectorRegistry()
    collector.register(JobCollector(found.jobs))
    return Response(generate_latest(collector), media_type="text/plain; version=0.0.4; charset=utf-8")
