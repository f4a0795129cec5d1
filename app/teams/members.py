"""The people of a team and their roles. Every query takes the team."""

from __future__ import annotations

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from app.db import Database, now
from app.errors import LastAdmin, NotFound
from app.teams import audit
from app.teams.keys import live_keys_of
from app.teams.models import LinkRow, MemberRow, TeamRow, UserRow
from app.teams.records import Key, Member, Membership, member_record, team_record
from app.teams.scopes import Role
from app.teams.sessions import end_sessions


class MemberService:
    """A team's members; `InvitationService` brings new ones in."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def all(self, team: str) -> list[Member]:
        """Everybody in a team, by e-mail address."""
        query = select(MemberRow, UserRow).join(UserRow, UserRow.id == MemberRow.user_id)
        query = query.where(MemberRow.team_id == team).order_by(UserRow.email)
        with self.database.session() as session:
            return [member_record(member, user) for member, user in session.execute(query)]

    def teams_of(self, user_id: str) -> list[Membership]:
        """The teams that a person is in, by name."""
        query = select(TeamRow, MemberRow.role).join(MemberRow, MemberRow.team_id == TeamRow.id)
        query = query.where(MemberRow.user_id == user_id).order_by(TeamRow.name, TeamRow.id)
        with self.database.session() as session:
            return [Membership(team_record(team), Role(role)) for team, role in session.execute(query)]

    def change_role(self, team: str, user_id: str, role: Role) -> Member:
        """Give a member another role; it holds from the next request on.

        Raises:
            NotFound: nobody of that id is in the team.
            LastAdmin: nobody could administer the team any more.
        """
        with self.database.session() as session:
            member, user = _locked(session, team, user_id)
            if role is not Role.ADMIN:
                _keep_an_admin(session, member)
            if member.role != role.value:
                audit.record(
                    session, team, "member.change", user_id, email=user.email, role=role.value, was=member.role
                )
                member.role = role.value
            return member_record(member, user)

    def remove(self, team: str, user_id: str) -> list[Key]:
        """Take somebody out of a team; their sessions in it end, and invitations to and from them lead nowhere.

        Returns:
            The live keys that they made or rotated: they know the secrets, and whether to revoke these the admins
            decide, since programs may depend on them.

        Raises:
            NotFound: nobody of that id is in the team.
            LastAdmin: nobody could administer the team any more.
        """
        with self.database.session() as session:
            member, user = _locked(session, team, user_id)
            _keep_an_admin(session, member)
            end_sessions(session, user_id, team)
            _withdraw_invitations(session, team, user)
            session.delete(member)
            audit.record(session, team, "member.remove", user_id, email=user.email, role=member.role)
            return live_keys_of(session, team, user_id)


def lock_team(session: Session, team: str) -> TeamRow:
    """The team's row; whoever else asks for it waits until this transaction is over.

    Raises:
        NotFound: there is none.
    """
    # Not simply FOR UPDATE: rows that refer to the team may be added meanwhile.
    row = session.get(TeamRow, team, with_for_update={"key_share": True})
    if row is None:
        raise NotFound(f"there is no team {team[:60]}")
    return row


def _withdraw_invitations(session: Session, team: str, user: UserRow) -> None:
    """Invitations to and from somebody who goes: with those that they made they could come back, or bring others."""
    theirs = or_(LinkRow.email == user.email, LinkRow.created_by == user.id)
    links = select(LinkRow).where(LinkRow.team_id == team, LinkRow.used_at.is_(None), theirs)
    for row in session.scalars(links.order_by(LinkRow.id).with_for_update()):
        row.used_at = row.withdrawn_at = now()
        if row.expires_at > now():
            audit.record(session, team, "member.uninvite", row.id, email=row.email)


def _locked(session: Session, team: str, user_id: str) -> tuple[MemberRow, UserRow]:
    lock_team(session, team)  # two admins may take the role from each other at the same time
    member, user = session.get(MemberRow, (team, user_id)), session.get(UserRow, user_id)
    if member is None or user is None:
        raise NotFound(f"nobody with the id {user_id[:60]} is in this team")
    return member, user


def _keep_an_admin(session: Session, member: MemberRow) -> None:
    others = select(func.count()).where(
        MemberRow.team_id == member.team_id, MemberRow.role == Role.ADMIN.value, MemberRow.user_id != member.user_id
    )
    if member.role == Role.ADMIN.value and not session.scalar(others):
        raise LastAdmin("this is the team's last admin; make somebody else an admin first")
