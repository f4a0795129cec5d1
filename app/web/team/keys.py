"""A team's API keys: create, rotate, revoke."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated

from fastapi import Form, Request, Response
from fastapi.responses import RedirectResponse

from app.api.deps import KeyId, Services, require_grantable
from app.db import now
from app.errors import Conflict, DomainError, Invalid
from app.teams.records import NewKey
from app.teams.scopes import Scope
from app.web.rendering import HEADERS
from app.web.routing import PageRouter
from app.web.sessions import PageUser, form_access, page_access
from app.web.team.tabs import KEYS, team_page

router = PageRouter(KEYS.path)

Reader = Annotated[PageUser, page_access(Scope.TEAM_ADMIN)]
Admin = Annotated[PageUser, form_access(Scope.TEAM_ADMIN)]

LIFETIMES: Mapping[str, str] = {"30": "In 30 days", "90": "In 90 days", "365": "In one year", "": "Never"}
GRACE_PERIODS: Mapping[str, str] = {"0": "Now", "24": "In a day", "168": "In a week", "720": "In 30 days"}
LONGEST_NAME = 200


@router.get("")
def show_keys(request: Request, user: Reader, services: Services) -> Response:
    """The team's keys, without their secrets."""
    return _keys(request, user, services)


def _keys(
    request: Request,
    user: PageUser,
    services: Services,
    error: DomainError | None = None,
    created: NewKey | None = None,
) -> Response:
    keys, at = services.keys.all(user.team_id), now()
    return team_page(
        request,
        "keys.html",
        user,
        KEYS,
        error,
        live=[key for key in reversed(keys) if key.is_live(at)],
        ended=[key for key in reversed(keys) if not key.is_live(at)],
        replaced={key.replaces for key in keys if key.revoked_at is None},
        creators=_names(services, user.team_id, {key.id: f"key {key.name}" for key in keys}),
        scopes=[scope for scope in Scope if user.may(scope)],
        all_scopes=len(Scope),
        lifetimes=LIFETIMES,
        grace_periods=GRACE_PERIODS,
        created=created,
        asks_proof=True,
    )


def _names(services: Services, team: str, keys: Mapping[str, str]) -> dict[str, str]:
    """Names of possible creators of keys, by id."""
    return {**keys, **{member.user_id: member.email for member in services.members.all(team)}}


@router.post("")
def create(
    request: Request,
    user: Admin,
    services: Services,
    name: Annotated[str, Form(max_length=LONGEST_NAME)] = "",
    scopes: Annotated[tuple[Scope, ...], Form()] = (),
    days: Annotated[str, Form(pattern="^(30|90|365)?$")] = "",
) -> Response:
    """Create a key with no more scopes than its creator's; its secret is shown only once."""
    require_grantable(user.principal, scopes)
    if not name.strip() or not scopes:
        return _keys(request, user, services, Invalid("an API key needs a name and at least one permission"))
    end = now() + timedelta(days=int(days)) if days else None
    created = services.keys.create(user.team_id, name.strip(), frozenset(scopes), end, _creator(user))
    return _keys(request, user, services, None, created)


@router.post("/{key_id}/rotate")
def rotate(
    key_id: KeyId,
    request: Request,
    user: Admin,
    services: Services,
    hours: Annotated[float, Form(ge=0, le=720)],
) -> Response:
    """Create a key that replaces another one, which stays valid for a grace period."""
    require_grantable(user.principal, services.keys.get(user.team_id, key_id).scopes)
    try:
        created = services.keys.rotate(user.team_id, key_id, hours * 3600, _creator(user))
    except Conflict as error:
        return _keys(request, user, services, error)
    return _keys(request, user, services, None, created)


@router.post("/{key_id}/revoke")
def revoke(key_id: KeyId, user: Admin, services: Services) -> Response:
    """Revoke a key at once."""
    services.keys.revoke(user.team_id, key_id)
    return RedirectResponse(KEYS.path, 303, HEADERS)


def _creator(user: PageUser) -> str | None:
    return user.principal.user_id or user.principal.key_id
