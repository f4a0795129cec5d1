"""Members of a team, and open invitations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import Form, Request, Response
from fastapi.responses import RedirectResponse

from app.api.deps import InvitationId, Services, UserId, require_grantable
from app.api.public_urls import public_url
from app.errors import Conflict, DomainError, Invalid
from app.teams.records import Key
from app.teams.scopes import Role, Scope
from app.web.labels import may
from app.web.rendering import HEADERS
from app.web.routing import PageRouter
from app.web.sessions import PageUser, form_access, page_access
from app.web.team.tabs import MEMBERS, team_page

router = PageRouter(MEMBERS.path)

Reader = Annotated[PageUser, page_access(Scope.TEAM_READ)]
Admin = Annotated[PageUser, form_access(Scope.TEAM_ADMIN)]


@router.get("")
def show_members(request: Request, user: Reader, services: Services) -> Response:
    """The members; admins see invitations and what has become of them, too."""
    return _members(request, user, services)


def _members(
    request: Request,
    user: PageUser,
    services: Services,
    error: DomainError | None = None,
    email: str = "",
    link: str = "",
    left: Sequence[Key] = (),
) -> Response:
    members = services.members.all(user.team_id)
    admins = [member.user_id for member in members if member.role is Role.ADMIN]
    return team_page(
        request,
        "members.html",
        user,
        MEMBERS,
        error,
        members=members,
        only_admin=admins[0] if len(admins) == 1 else "",
        invitations=services.invitations.all(user.team_id, closed=True) if user.may(Scope.TEAM_ADMIN) else [],
        roles=[role for role in Role if role.scopes <= user.principal.scopes],
        email=email,
        link=link,
        asks_proof=user.may(Scope.TEAM_ADMIN),
        left=left,
        may={
            "viewer": may(Role.VIEWER),
            "member": may(Role.MEMBER, [Role.VIEWER]),
            "admin": may(Role.ADMIN, [Role.VIEWER, Role.MEMBER]),
        },
    )


@router.post("/invite")
def invite(
    request: Request,
    user: Admin,
    services: Services,
    email: Annotated[str, Form(max_length=300)],
    role: Annotated[Role, Form()],
) -> Response:
    """Create an invitation and show its link, only once."""
    require_grantable(user.principal, role.scopes)
    creator = user.principal.user_id or user.principal.key_id
    try:
        created = services.invitations.invite(user.team_id, email, role, creator)
    except (Invalid, Conflict) as error:
        return _members(request, user, services, error, email)
    return _members(request, user, services, None, email, public_url(request, services, created.path))


@router.post("/invitations/{invitation_id}/withdraw")
def withdraw(invitation_id: InvitationId, user: Admin, services: Services) -> Response:
    """Withdraw an invitation; its link stops working."""
    services.invitations.withdraw(user.team_id, invitation_id)
    return RedirectResponse(MEMBERS.path, 303, HEADERS)


@router.post("/{user_id}/role")
def change_role(
    user_id: UserId, request: Request, user: Admin, services: Services, role: Annotated[Role, Form()]
) -> Response:
    """Change a member's role; the team keeps an admin."""
    require_grantable(user.principal, role.scopes)
    try:
        services.members.change_role(user.team_id, user_id, role)
    except Conflict as error:
        return _members(request, user, services, error)
    return RedirectResponse(MEMBERS.path, 303, HEADERS)


@router.post("/{user_id}/remove")
def remove(user_id: UserId, request: Request, user: Admin, services: Services) -> Response:
    """Remove a member; the team keeps an admin."""
    try:
        left = services.members.remove(user.team_id, user_id)
    except Conflict as error:
        return _members(request, user, services, error)
    if left and user_id != user.principal.user_id:
        return _members(request, user, services, left=left)
    return RedirectResponse(MEMBERS.path, 303, HEADERS)
