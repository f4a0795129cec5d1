"""The audit log, for admins."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from app.api.deps import Services, needs
from app.api.problem import responses
from app.paging import LARGEST_PAGE
from app.teams.records import Principal
from app.teams.scopes import Scope
from primesvt_client.schemas.team import AuditPage, AuditView
from primesvt_client.spec_types import TEXT

router = APIRouter(prefix="/api/v1", tags=["audit"], responses=responses(422))

Admin = Annotated[Principal, needs(Scope.TEAM_ADMIN)]
AS_FILE = {"Content-Disposition": 'attachment; filename="audit.csv"', "Cache-Control": "no-store"}


@router.get("/audit", responses=responses(400))
def list_audit(
    caller: Admin,
    services: Services,
    action: Annotated[
        str, Query(max_length=60, pattern=TEXT, description="Only this action, for example key.create.")
    ] = "",
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 50,
) -> AuditPage:
    """List what was done in the team, by whom and from where, newest first."""
    page = services.audit.search(caller.team_id, cursor, limit, action)
    return AuditPage(items=[AuditView.model_validate(entry) for entry in page.items], next_cursor=page.next_cursor)


@router.get(
    "/audit.csv",
    response_class=Response,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
def export_audit(caller: Admin, services: Services) -> Response:
    """Download the audit log as CSV; no cell is a formula."""
    return StreamingResponse(services.audit.as_csv(caller.team_id), 200, AS_FILE, "text/csv; charset=utf-8")
