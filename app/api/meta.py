"""What the server can do, and whether it is well."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from app.api.deps import Found
from app.api.schemas import Health, Plugins
from app.queue import CeleryDoorbell
from primesvt_core import registry, report, spec

router = APIRouter()


@router.get("/api/v1/plugins", tags=["meta"])
def list_plugins() -> Plugins:
    """Families, policies and criteria of this server."""
    return Plugins(
        families=registry.available("families"),
        policies=registry.available("policies"),
        criteria=registry.available("criteria"),
    )


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
async def livez() -> Health:
    """Whether the process answers."""
    return Health(status="ok")


@router.get(
    "/readyz", tags=["operation"], responses={503: {"model": Health, "description": "Something it needs is not there."}}
)
def readyz(found: Found, response: Response) -> Health:
    """Whether database, storage and broker answer."""
    bell = found.doorbell
    checks = {
        "database": _is_well(found.database.is_ready),
        "storage": _is_well(found.store.is_ready),
        "broker": not isinstance(bell, CeleryDoorbell) or _is_well(bell.is_ready),
    }
    if all(checks.values()):
        return Health(status="ok", checks=checks)
    response.status_code = 503
    return Health(status="not ready", checks=checks)


def _is_well(check: Callable[[], bool]) -> bool:
    try:
        return check()
    except OSError:  # a folder that is gone is one way of not being ready
        return False


@router.get(
    "/metrics",
    tags=["operation"],
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def metrics(request: Request) -> Response:
    """For Prometheus: numbers of all teams, nothing of any one."""
    return Response(generate_latest(request.app.state.metrics.registry), media_type=CONTENT_TYPE_LATEST)
