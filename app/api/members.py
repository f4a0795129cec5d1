"""Members of a team, and open invitations."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.api.body_limits import BoundedRoute
from app.api.deps import InvitationId, Services, UserId, needs, require_grantable
from app.api.openapi import with_headers
from app.api.problem import responses
from app.api.public_urls import public_url
from app.teams.records import Principal
from app.teams.scopes import Scope
from primesvt_client.schemas.team import InvitationLink, InvitationView, MemberPatch, MemberView, NewInvitation

router = APIRouter(prefix="/api/v1", tags=["teams"], responses=responses(422), route_class=BoundedRoute)

Reader = Annotated[Principal, needs(Scope.TEAM_READ)]
Admin = Annotated[Principal, needs(Scope.TEAM_ADMIN)]


@router.get("/members")
def list_members(caller: Reader, services: Services) -> list[MemberView]:
    """List the members of the team."""
    return [MemberView.model_validate(member) for member in services.members.all(caller.team_id)]


@router.patch("/members/{user_id}", responses=responses(404, 409))
def change_member(user_id: UserId, body: MemberPatch, caller: Admin, services: Services) -> MemberView:
    """Change a member's role. The last admin cannot be demoted."""
    require_grantable(caller, body.role.scopes)
    return MemberView.model_validate(services.members.change_role(caller.team_id, user_id, body.role))


@router.delete("/members/{user_id}", status_code=204, responses=responses(404, 409))
def remove_member(user_id: UserId, caller: Admin, services: Services) -> None:
    """Remove a member; invitations to and from them are withdrawn. The last admin cannot be removed.

    API keys that the member created stay until they are revoked: `GET /api/v1/keys?created_by=` lists them.
    """
    services.members.remove(caller.team_id, user_id)


@router.get("/invitations")
def list_invitations(
    caller: Admin,
    services: Services,
    closed: Annotated[
        bool, Query(description="Also those that were used, withdrawn or have expired: of all the newest 200.")
    ] = False,
) -> list[InvitationView]:
    """List invitations whose link can still be used, oldest first. The state says whether the person has joined."""
    return [InvitationView.model_validate(one) for one in services.invitations.all(caller.team_id, closed=closed)]


@router.post(
    "/invitations",
    status_code=201,
    responses={**with_headers(201, Cache_Control="no-store."), **responses(409)},
)
def invite_member(
    body: NewInvitation, request: Request, caller: Admin, services: Services, response: Response
) -> InvitationLink:
    """Create an invitation. The link is shown only once; pass it on to the person."""
    require_grantable(caller, body.role.scopes)
    link = services.invitations.invite(caller.team_id, body.email, body.role, caller.user_id or caller.key_id)
    response.headers["Cache-Control"] = "no-store"
    return InvitationLink(id=link.id, link=public_url(request, services, link.path), expires_at=link.expires_at)


@router.delete("/invitations/{invitation_id}", status_code=204, responses=responses(404))
def withdraw_invitation(invitation_id: InvitationId, caller: Admin, services: Services) -> None:
    """Withdraw an invitation; its link stops working."""
    services.invitations.withdraw(caller.team_id, invitation_id)
