"""The people of a team, and those who are invited into it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Request, Response
from fastapi.responses import RedirectResponse

from app.api.addresses import public_address
from app.api.deps import Found, InvitationId, UserId, permitted
from app.errors import Conflict, DomainError, Invalid
from app.services import Services
from app.teams.scopes import Role, Scope
from app.web.rendering import HEADERS
from app.web.routing import Pages
from app.web.sessions import Visitor, looks, sends_form
from app.web.team.tabs import MEMBERS, team_page

router = Pages(MEMBERS.address)

Reader = Annotated[Visitor, looks(Scope.TEAM_READ)]
Admin = Annotated[Visitor, sends_form(Scope.TEAM_ADMIN)]


@router.get("")
def show_members(request: Request, who: Reader, found: Found) -> Response:
    """Everybody in the team; admins see the open invitations, too."""
    return _members(request, who, found)


def _members(
    request: Request, who: Visitor, found: Services, error: DomainError | None = None, email: str = "", link: str = ""
) -> Response:
    members = found.members.all(who.team_id)
    admins = [member.user_id for member in members if member.role is Role.ADMIN]
    return team_page(
        request,
        "members.html",
        who,
        MEMBERS,
        error,
        members=members,
        only_admin=admins[0] if len(admins) == 1 else "",
        invitations=found.invitations.all(who.team_id) if who.may(Scope.TEAM_ADMIN) else [],
        roles=[role for role in Role if role.scopes <= who.principal.scopes],
        email=email,
        link=link,
    )


@router.post("/invite")
def invite(
    request: Request,
    who: Admin,
    found: Found,
    email: Annotated[str, Form(max_length=300)],
    role: Annotated[Role, Form()],
) -> Response:
    """Make a link that leads somebody into the team, and show it this once."""
    permitted(who.principal, role.scopes)
    maker = who.principal.user_id or who.principal.key_id
    try:
        made = found.invitations.invite(who.team_id, email, role, maker)
    except (Invalid, Conflict) as error:
        return _members(request, who, found, error, email)
    return _members(request, who, found, None, email, public_address(request, found, made.path))


@router.post("/invitations/{invitation_id}/withdraw")
def withdraw(invitation_id: InvitationId, who: Admin, found: Found) -> Response:
    """Let an invitation's link lead nowhere."""
    found.invitations.withdraw(who.team_id, invitation_id)
    return RedirectResponse(MEMBERS.address, 303, HEADERS)


@router.post("/{user_id}/role")
def change_role(user_id: UserId, request: Request, who: Admin, found: Found, role: Annotated[Role, Form()]) -> Response:
    """Give a member another role; the team keeps an admin."""
    permitted(who.principal, role.scopes)
    try:
        found.members.change_role(who.team_id, user_id, role)
    except Conflict as error:
        return _members(request, who, found, error)
    return RedirectResponse(MEMBERS.address, 303, HEADERS)


@router.post("/{user_id}/remove")
def remove(user_id: UserId, request: Request, who: Admin, found: Found) -> Response:
    """Take somebody out of the team; the team keeps an admin."""
    try:
        found.members.remove(who.team_id, user_id)
    except Conflict as error:
        return _members(request, who, found, error)
    return RedirectResponse(MEMBERS.address, 303, HEADERS)
