"""A team's API keys."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.api.body_limits import BoundedRoute
from app.api.deps import KeyId, Services, needs, require_grantable
from app.api.openapi import with_headers
from app.api.problem import responses
from app.db import now
from app.errors import Invalid
from app.teams.records import Principal
from app.teams.scopes import Scope
from primesvt_client.schemas.base import ID, LONGEST_ID
from primesvt_client.schemas.team import KeySecret, KeyView, NewKeyBody, Rotation

router = APIRouter(prefix="/api/v1/keys", tags=["keys"], responses=responses(422), route_class=BoundedRoute)

Admin = Annotated[Principal, needs(Scope.TEAM_ADMIN)]
SHOWN_ONCE = with_headers(201, Cache_Control="no-store.")


@router.get("")
def list_keys(
    caller: Admin,
    services: Services,
    created_by: Annotated[
        str | None, Query(max_length=LONGEST_ID, pattern=ID, description="Only keys that this person or key made.")
    ] = None,
) -> list[KeyView]:
    """List the team's keys, without their secrets."""
    return [KeyView.model_validate(key) for key in services.keys.all(caller.team_id, created_by)]


@router.post("", status_code=201, responses=SHOWN_ONCE)
def create_key(body: NewKeyBody, caller: Admin, services: Services, response: Response) -> KeySecret:
    """Create a key with no more scopes than the caller's. The secret is shown only once."""
    require_grantable(caller, body.scopes)
    if body.expires_at is not None and body.expires_at <= now():
        raise Invalid("expires_at is in the past")
    creator = caller.user_id or caller.key_id
    created = services.keys.create(caller.team_id, body.name, frozenset(body.scopes), body.expires_at, creator)
    response.headers["Cache-Control"] = "no-store"
    return KeySecret.model_validate(created, from_attributes=True)


@router.post("/{key_id}/rotate", status_code=201, responses={**SHOWN_ONCE, **responses(404, 409)})
def rotate_key(key_id: KeyId, body: Rotation, caller: Admin, services: Services, response: Response) -> KeySecret:
    """Create a key that replaces another one, which stays valid for a grace period. The secret is shown only once."""
    require_grantable(caller, services.keys.get(caller.team_id, key_id).scopes)
    creator = caller.user_id or caller.key_id
    created = services.keys.rotate(caller.team_id, key_id, body.grace_hours * 3600, creator)
    response.headers["Cache-Control"] = "no-store"
    return KeySecret.model_validate(created, from_attributes=True)


@router.delete("/{key_id}", status_code=204, responses=responses(404))
def revoke_key(key_id: KeyId, caller: Admin, services: Services) -> None:
    """Revoke a key at once."""
    services.keys.revoke(caller.team_id, key_id)
