"""A team's API keys: make, rotate, revoke."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated

from fastapi import Form, Request, Response
from fastapi.responses import RedirectResponse

from app.api.deps import Found, KeyId, permitted
from app.db import now
from app.errors import Conflict, DomainError, Invalid
from app.services import Services
from app.teams.records import NewKey
from app.teams.scopes import Scope
from app.web.rendering import HEADERS
from app.web.routing import Pages
from app.web.sessions import Visitor, looks, sends_form
from app.web.team.tabs import KEYS, team_page

router = Pages(KEYS.address)

Looker = Annotated[Visitor, looks(Scope.TEAM_ADMIN)]
Admin = Annotated[Visitor, sends_form(Scope.TEAM_ADMIN)]

LIVES: Mapping[str, str] = {"30": "30 days", "90": "90 days", "365": "a year", "": "until it is revoked"}
GRACES: Mapping[str, str] = {"0": "at once", "24": "in a day", "168": "in a week", "720": "in 30 days"}
LONGEST_NAME = 200


@router.get("")
def show_keys(request: Request, who: Looker, found: Found) -> Response:
    """The team's keys, without their secrets."""
    return _keys(request, who, found)


def _keys(
    request: Request, who: Visitor, found: Services, error: DomainError | None = None, made: NewKey | None = None
) -> Response:
    keys, at = found.keys.all(who.team_id), now()
    return team_page(
        request,
        "keys.html",
        who,
        KEYS,
        error,
        live=[key for key in reversed(keys) if key.is_live(at)],
        ended=[key for key in reversed(keys) if not key.is_live(at)],
        replaced={key.replaces for key in keys if key.revoked_at is None},
        makers=_names(found, who.team_id, {key.id: f"key {key.name}" for key in keys}),
        scopes=[scope for scope in Scope if who.may(scope)],
        everything=len(Scope),
        lives=LIVES,
        graces=GRACES,
        made=made,
    )


def _names(found: Services, team: str, keys: Mapping[str, str]) -> dict[str, str]:
    """Who may have made a key, by id."""
    return {**keys, **{member.user_id: member.email for member in found.members.all(team)}}


@router.post("")
def create(
    request: Request,
    who: Admin,
    found: Found,
    name: Annotated[str, Form(max_length=LONGEST_NAME)] = "",
    scopes: Annotated[tuple[Scope, ...], Form()] = (),
    days: Annotated[str, Form(pattern="^(30|90|365)?$")] = "",
) -> Response:
    """Make a key, which may do no more than who makes it; its secret is shown this once."""
    permitted(who.principal, scopes)
    if not name.strip() or not scopes:
        return _keys(request, who, found, Invalid("a key has a name, and may do at least one thing; choose what"))
    end = now() + timedelta(days=int(days)) if days else None
    made = found.keys.create(who.team_id, name.strip(), frozenset(scopes), end, _maker(who))
    return _keys(request, who, found, None, made)


@router.post("/{key_id}/rotate")
def rotate(
    key_id: KeyId,
    request: Request,
    who: Admin,
    found: Found,
    hours: Annotated[float, Form(ge=0, le=720)],
) -> Response:
    """Make a key in place of another one, which goes on for a while; the new secret is shown this once."""
    permitted(who.principal, found.keys.get(who.team_id, key_id).scopes)
    try:
        made = found.keys.rotate(who.team_id, key_id, hours * 3600, _maker(who))
    except Conflict as error:
        return _keys(request, who, found, error)
    return _keys(request, who, found, None, made)


@router.post("/{key_id}/revoke")
def revoke(key_id: KeyId, who: Admin, found: Found) -> Response:
    """From now on the key opens nothing."""
    found.keys.revoke(who.team_id, key_id)
    return RedirectResponse(KEYS.address, 303, HEADERS)


def _maker(who: Visitor) -> str | None:
    return who.principal.user_id or who.principal.key_id
