"""A team's API keys."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response

from app.api.bodies import BoundedRoute
from app.api.deps import Found, KeyId, needs, permitted
from app.api.openapi import with_headers
from app.api.problem import responses
from app.db import now
from app.errors import Invalid
from app.teams.records import Principal
from app.teams.scopes import Scope
from primesvt_client.schemas.team import KeySecret, KeyView, NewKeyBody, Rotation

router = APIRouter(prefix="/api/v1/keys", tags=["keys"], responses=responses(422), route_class=BoundedRoute)

Admin = Annotated[Principal, needs(Scope.TEAM_ADMIN)]
SHOWN_ONCE = with_headers(201, Cache_Control="Not to be kept.")


@router.get("")
def list_keys(caller: Admin, found: Found) -> list[KeyView]:
    """The team's keys, without their secrets."""
    return [KeyView.model_validate(key) for key in found.keys.all(caller.team_id)]


@router.post("", status_code=201, responses=SHOWN_ONCE)
def create_key(body: NewKeyBody, caller: Admin, found: Found, response: Response) -> KeySecret:
    """Make a key, which may do no more than the caller; its secret is shown this once."""
    permitted(caller, body.scopes)
    if body.expires_at is not None and body.expires_at <= now():
        raise Invalid("the key would have expired already")
    maker = caller.user_id or caller.key_id
    made = found.keys.create(caller.team_id, body.name, frozenset(body.scopes), body.expires_at, maker)
    response.headers["Cache-Control"] = "no-store"
    return KeySecret.model_validate(made, from_attributes=True)


@router.post("/{key_id}/rotate", status_code=201, responses={**SHOWN_ONCE, **responses(404, 409)})
def rotate_key(key_id: KeyId, body: Rotation, caller: Admin, found: Found, response: Response) -> KeySecret:
    """Make a key in place of another one, which goes on for a while; the new secret is shown this once."""
    permitted(caller, found.keys.get(caller.team_id, key_id).scopes)
    maker = caller.user_id or caller.key_id
    made = found.keys.rotate(caller.team_id, key_id, body.grace_hours * 3600, maker)
    response.headers["Cache-Control"] = "no-store"
    return KeySecret.model_validate(made, from_attributes=True)


@router.delete("/{key_id}", status_code=204, responses=responses(404))
def revoke_key(key_id: KeyId, caller: Admin, found: Found) -> None:
    """From now on the key opens nothing."""
    found.keys.revoke(caller.team_id, key_id)
