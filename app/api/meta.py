"""Plug-ins, schemas and health of the server."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from app.api.deps import count_anonymous
from app.api.readiness import ReadinessReport
from primesvt_client.schemas.service import Health, Plugins
from primesvt_core import registry, spec
from primesvt_core.policies import POLICIES
from primesvt_core.report import schema

router = APIRouter()

RATE_LIMITED = (Depends(count_anonymous),)


@router.get("/api/v1/plugins", tags=["meta"], dependencies=RATE_LIMITED)
def list_plugins() -> Plugins:
    """Plug-ins of every kind, and the parameters of the policies."""
    return Plugins(
        **{kind: registry.available(kind) for kind in registry.ATTRIBUTES},
        policy_params={key: POLICIES.load(key).params.model_json_schema() for key in POLICIES.available()},
    )


@router.get("/api/v1/spec/schema", tags=["meta"], dependencies=RATE_LIMITED)
def spec_schema() -> dict[str, Any]:
    """JSON Schema of a constraint spec."""
    schema: dict[str, Any] = json.loads(spec.json_schema())
    return schema


@router.get("/api/v1/report/schema", tags=["meta"], dependencies=RATE_LIMITED)
def report_schema() -> dict[str, Any]:
    """JSON Schema of report.json."""
    document: dict[str, Any] = json.loads(schema.json_schema())
    return document


@router.get("/livez", tags=["operation"])
async def livez() -> Health:
    """Liveness: the process answers."""
    return Health(status="ok")


@router.get(
    "/readyz",
    tags=["operation"],
    responses={503: {"model": Health, "description": "A component that the server needs is not ready."}},
)
def readyz(request: Request, response: Response) -> Health:
    """Readiness: the database answers and has this version's schema, the storage accepts writes, the broker answers.
    `missing` names promises of the sandbox that do not hold on a worker's machine; the server works all the same.
    """
    report: ReadinessReport = request.app.state.readiness.check()
    checks = {name: not problem for name, problem in report.problems.items()}
    if report.is_ready:
        return Health(status="ok", checks=checks, missing=list(report.missing))
    response.status_code = 503
    problems = {name: problem for name, problem in report.problems.items() if problem}
    return Health(status="not ready", checks=checks, problems=problems)
