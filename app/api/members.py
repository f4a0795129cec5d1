"""The people of a team, and those who are invited into it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response

from app.api.addresses import public_address
from app.api.bodies import BoundedRoute
from app.api.deps import Found, InvitationId, UserId, needs, permitted
from app.api.openapi import with_headers
from app.api.problem import responses
from app.teams.records import Principal
from app.teams.scopes import Scope
from primesvt_client.schemas.team import InvitationLink, InvitationView, MemberPatch, MemberView, NewInvitation

router = APIRouter(prefix="/api/v1", tags=["teams"], responses=responses(422), route_class=BoundedRoute)

Reader = Annotated[Principal, needs(Scope.TEAM_READ)]
Admin = Annotated[Principal, needs(Scope.TEAM_ADMIN)]


@router.get("/members")
def list_members(caller: Reader, found: Found) -> list[MemberView]:
    """Everybody in the team."""
    return [MemberView.model_validate(member) for member in found.members.all(caller.team_id)]


@router.patch("/members/{user_id}", responses=responses(404, 409))
def change_member(user_id: UserId, body: MemberPatch, caller: Admin, found: Found) -> MemberView:
    """Give a member another role; the team keeps an admin."""
    permitted(caller, body.role.scopes)
    return MemberView.model_validate(found.members.change_role(caller.team_id, user_id, body.role))


@router.delete("/members/{user_id}", status_code=204, responses=responses(404, 409))
def remove_member(user_id: UserId, caller: Admin, found: Found) -> None:
    """Take somebody out of the team; the team keeps an admin. API keys that they have made stay."""
    found.members.remove(caller.team_id, user_id)


@router.get("/invitations")
def list_invitations(caller: Admin, found: Found) -> list[InvitationView]:
    """Who was invited and has not joined."""
    return [InvitationView.model_validate(one) for one in found.invitations.all(caller.team_id)]


@router.post(
    "/invitations",
    status_code=201,
    responses={**with_headers(201, Cache_Control="Not to be kept."), **responses(409)},
)
def invite_member(
    body: NewInvitation, request: Request, caller: Admin, found: Found, response: Response
) -> InvitationLink:
    """Invite somebody; hand them the link, which is shown this once."""
    permitted(caller, body.role.scopes)
    link = found.invitations.invite(caller.team_id, body.email, body.role, caller.user_id or caller.key_id)
    response.headers["Cache-Control"] = "no-store"
    return InvitationLink(id=link.id, link=public_address(request, found, link.path), expires_at=link.expires_at)


@router.delete("/invitations/{invitation_id}", status_code=204, responses=responses(404))
def withdraw_invitation(invitation_id: InvitationId, caller: Admin, found: Found) -> None:
    """Let an invitation's link lead nowhere."""
    found.invitations.withdraw(caller.team_id, invitation_id)
