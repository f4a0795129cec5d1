"""What the server can do, and whether it is well."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from app.api.deps import count_anonymous
from app.api.readiness import Found as Looked
from primesvt_client.schemas.service import Health, Plugins
from primesvt_core import registry, spec
from primesvt_core.report import schema

router = APIRouter()

COUNTED = (Depends(count_anonymous),)


@router.get("/api/v1/plugins", tags=["meta"], dependencies=COUNTED)
def list_plugins() -> Plugins:
    """Families, policies and criteria of this server."""
    return Plugins(
        families=registry.available("families"),
        policies=registry.available("policies"),
        criteria=registry.available("criteria"),
    )


@router.get("/api/v1/spec/schema", tags=["meta"], dependencies=COUNTED)
def spec_schema() -> dict[str, Any]:
    """JSON Schema of a constraint spec."""
    schema: dict[str, Any] = json.loads(spec.json_schema())
    return schema


@router.get("/api/v1/report/schema", tags=["meta"], dependencies=COUNTED)
def report_schema() -> dict[str, Any]:
    """JSON Schema of report.json."""
    document: dict[str, Any] = json.loads(schema.json_schema())
    return document


@router.get("/livez", tags=["operation"])
async def livez() -> Health:
    """Whether the process answers."""
    return Health(status="ok")


@router.get(
    "/readyz", tags=["operation"], responses={503: {"model": Health, "description": "Something it needs is not there."}}
)
def readyz(request: Request, response: Response) -> Health:
    """Whether the database answers with the schema that this version needs, the storage keeps what is written to it,
    and the broker answers.
    """
    looked: Looked = request.app.state.readiness.look()
    checks = {name: not problem for name, problem in looked.problems.items()}
    if looked.is_well:
        return Health(status="ok", checks=checks)
    response.status_code = 503
    problems = {name: problem for name, problem in looked.problems.items() if problem}
    return Health(status="not ready", checks=checks, problems=problems)


@router.get(
    "/metrics",
    tags=["operation"],
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def metrics(request: Request) -> Response:
    """For Prometheus: numbers of all teams, nothing of any one."""
    return Response(generate_latest(request.app.state.metrics.registry), media_type=CONTENT_TYPE_LATEST)
