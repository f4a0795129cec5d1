"""One-time links: into a team, and to a new password. Whoever holds the link may use it, once, for some days.

An invitation is no membership: people become members when they follow their link, so that nobody is put into a team,
and no team gets hold of somebody's account, without them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.db import Database, now
from app.errors import Conflict, InvalidLink, NotFound, WrongPassword
from app.ids import new_id
from app.names import printable
from app.teams import audit
from app.teams.actors import set_principal
from app.teams.addresses import address
from app.teams.models import LinkRow, MemberRow, TeamRow, UserRow
from app.teams.passwords import hash_password, is_right
from app.teams.records import Principal
from app.teams.refusals import note_refusal
from app.teams.scopes import Role
from app.teams.sessions import end_sessions
from app.teams.tokens import hashed, new_token
from primesvt_client.states import InvitationState

INVITATION, PASSWORD = "invitation", "password"  # kinds of links
INVITATION_DAYS, PASSWORD_HOURS = 7, 24
MOST_LISTED = 200
"""Invitations of one list, the newest."""

GONE = "this link is unknown, was used, or is too old; ask for a new one"
MEANWHILE = "somebody has joined with this address meanwhile; follow the link again"


@dataclass(frozen=True, kw_only=True)
class Invitation:
    """Somebody who may join a team, or has.

    Attributes:
        state: what has become of it.
        joined_at: when the person became a member, by this link or another one; None if they are none, or are none
            any more and have not used this link.
    """

    id: str
    email: str
    role: Role
    created_by: str | None
    created_at: datetime
    expires_at: datetime
    state: InvitationState = InvitationState.OPEN
    joined_at: datetime | None = None


@dataclass(frozen=True)
class NewLink:
    """A link that was just made; its token is shown this once."""

    id: str
    token: str
    expires_at: datetime

    @property
    def path(self) -> str:
        """Where on the server it leads."""
        return f"/join/{self.token}"


@dataclass(frozen=True, kw_only=True)
class Opened:
    """What somebody with a link sees before they use it.

    Attributes:
        link_id: of the link.
        team: name of the team that invites; None of a link to a new password.
        is_known: whether somebody has the address already.
    """

    link_id: str
    email: str
    team: str | None
    is_known: bool

    @property
    def has_password(self) -> bool:
        """Whether the link asks for the password that the person has, rather than for a new one."""
        return self.is_known and self.team is not None


class InvitationService:
    """Links into teams and to passwords."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def invite(self, team: str, email: str, role: Role, created_by: str | None = None) -> NewLink:
        """A link with which somebody joins a team.

        Raises:
            Invalid: this is not an e-mail address.
            Conflict: they are a member already.
        """
        email = address(email)
        with self.database.session() as session:
            if session.get(TeamRow, team) is None:
                raise NotFound(f"there is no team {team[:60]}")
            known = select(MemberRow).join(UserRow, UserRow.id == MemberRow.user_id)
            if session.scalar(known.where(MemberRow.team_id == team, UserRow.email == email)):
                raise Conflict(f"{email} is in the team already; change the role instead")
            end = now() + timedelta(days=INVITATION_DAYS)
            link = _add_link(session, INVITATION, email, end, team_id=team, role=role.value, created_by=created_by)
            audit.record(session, team, "member.invite", link.id, email=email, role=role.value)
        return link

    def all(self, team: str, *, closed: bool = False) -> list[Invitation]:
        """Whose links can still be used, oldest first; ``closed``: the others, too, of which the newest."""
        wanted = [LinkRow.team_id == team, LinkRow.kind == INVITATION, *(() if closed else _open())]
        member = and_(MemberRow.team_id == team, MemberRow.user_id == UserRow.id)
        query = (
            select(LinkRow, MemberRow.created_at)
            .outerjoin(UserRow, UserRow.email == LinkRow.email)
            .outerjoin(MemberRow, member)
            .where(*wanted)
        )
        with self.database.session() as session:
            rows = session.execute(query.order_by(LinkRow.id.desc()).limit(MOST_LISTED)).all()
            return [_record(row, member_since) for row, member_since in reversed(rows)]

    def withdraw(self, team: str, link_id: str) -> None:
        """Let an invitation's link lead nowhere.

        Raises:
            NotFound: the team has no such open invitation.
        """
        with self.database.session() as session:
            row = session.scalar(select(LinkRow).where(LinkRow.id == link_id, LinkRow.team_id == team, *_open()))
            if row is None:
                raise NotFound(f"there is no open invitation {link_id[:60]}")
            row.used_at = row.withdrawn_at = now()
            audit.record(session, team, "member.uninvite", link_id, email=row.email)

    def new_password(self, email: str) -> NewLink:
        """A link with which somebody chooses a new password; for whoever runs the service.

        Raises:
            NotFound: nobody has that e-mail address.
        """
        email = address(email)
        with self.database.session() as session:
            user = session.scalar(select(UserRow).where(UserRow.email == email))
            if user is None:
                raise NotFound(f"nobody has the address {email}; 'primesvt members add' invites somebody")
            audit.record(session, None, "password.offer", user.id, email=email)
            return _add_link(session, PASSWORD, email, now() + timedelta(hours=PASSWORD_HOURS))

    def look(self, token: str) -> Opened:
        """What a link is for.

        Raises:
            InvalidLink: it is unknown, was used or is too old.
        """
        with self.database.session() as session:
            row = _row(session, token)
            user = session.scalar(select(UserRow).where(UserRow.email == row.email))
            team = session.get(TeamRow, row.team_id) if row.team_id else None
            return Opened(link_id=row.id, email=row.email, team=team.name if team else None, is_known=user is not None)

    def use(self, token: str, password: str, name: str = "") -> str:
        """Join the team, or set a new password; returns the e-mail address to sign in with.

        Args:
            token: of the link.
            password: of somebody new the one they choose; of somebody known their own, which proves that it is they.
            name: of somebody new.

        Raises:
            InvalidLink: it is unknown, was used or is too old.
            WeakPassword: the password is no good.
            WrongPassword: it is not that of the account which has the invited address.
        """
        opened = self.look(token)
        if opened.has_password:
            self._prove(opened, password)
        kept = None if opened.has_password else hash_password(password, opened.email)
        with self.database.session() as session:
            # The person before the link, as who comes in through a provider has them: they would wait for each other.
            user = session.scalar(select(UserRow).where(UserRow.email == opened.email).with_for_update())
            if (user is not None) != opened.is_known:
                raise InvalidLink(MEANWHILE)
            user = user or _new_user(session, opened.email, kept, name)
            row = _row(session, token)
            row.used_at = now()
            set_principal(Principal(team_id="", user_id=user.id, name=user.email, scopes=frozenset()))
            if row.kind == INVITATION:
                _join(session, row, user)
            else:
                _set_password(session, user, kept)
        return opened.email

    def _prove(self, opened: Opened, password: str) -> None:
        email = opened.email
        with self.database.session() as session:
            user = session.scalar(select(UserRow).where(UserRow.email == email))
            kept = user.password_hash if user else None
        if not is_right(password, kept):
            with self.database.session() as session:
                note_refusal(session, user, link=opened.link_id)
            raise WrongPassword(f"this is not the password of {email}; sign in as you do otherwise, or ask for a reset")


def join_all(session: Session, user: UserRow, email: str) -> None:
    """Use all open invitations to an address that somebody has proven to be theirs.

    In the caller's transaction, which has locked the person.
    """
    links = select(LinkRow).where(LinkRow.email == email, LinkRow.kind == INVITATION, *_open())
    for row in session.scalars(links.order_by(LinkRow.id).with_for_update()):
        row.used_at = now()
        _join(session, row, user)


def _add_link(session: Session, kind: str, email: str, expires_at: datetime, **values: str | None) -> NewLink:
    link = NewLink(new_id("lnk"), new_token(), expires_at)
    row = LinkRow(
        id=link.id, kind=kind, token_sha256=hashed(link.token), email=email, created_at=now(), expires_at=expires_at,
        **values,
    )  # fmt: skip
    session.add(row)
    return link


def _open() -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return LinkRow.used_at.is_(None), LinkRow.expires_at > now()


def _row(session: Session, token: str) -> LinkRow:
    query = select(LinkRow).where(LinkRow.token_sha256 == hashed(token), *_open())
    row = session.scalar(query.with_for_update())
    if row is None:
        raise InvalidLink(GONE)
    return row


def _new_user(session: Session, email: str, kept: str | None, name: str) -> UserRow:
    user = UserRow(id=new_id("usr"), email=email, name=printable(name or email), password_hash=kept)
    user.created_at = now()
    session.add(user)
    try:
        session.flush()
    except IntegrityError:  # another link of the same address was used at the same time
        raise InvalidLink(MEANWHILE) from None
    return user


def _join(session: Session, row: LinkRow, user: UserRow) -> None:
    if session.get(MemberRow, (row.team_id, user.id)) is not None:
        return  # an older invitation changes no role that an admin has given since
    session.add(MemberRow(team_id=row.team_id, user_id=user.id, role=row.role, created_at=now()))
    audit.record(session, row.team_id, "member.join", user.id, email=user.email, role=row.role)


def _set_password(session: Session, user: UserRow, kept: str | None) -> None:
    user.password_hash = kept
    end_sessions(session, user.id)
    audit.record(session, None, "password.set", user.id, email=user.email)


def _record(row: LinkRow, member_since: datetime | None) -> Invitation:
    state, joined_at = _became(row, member_since)
    return Invitation(
        id=row.id, email=row.email, role=Role(str(row.role)), created_by=row.created_by, created_at=row.created_at,
        expires_at=row.expires_at, state=state, joined_at=joined_at,
    )  # fmt: skip


def _became(row: LinkRow, member_since: datetime | None) -> tuple[InvitationState, datetime | None]:
    """What has become of an invitation, and when its person joined."""
    if row.withdrawn_at is not None:
        return InvitationState.WITHDRAWN, member_since
    if row.used_at is not None:
        return InvitationState.JOINED, row.used_at
    if member_since is not None:  # by another link, or through the identity provider
        return InvitationState.JOINED, member_since
    return (InvitationState.OPEN if row.expires_at > now() else InvitationState.EXPIRED), None
