"""People who sign in, with a password or through an identity provider."""

from __future__ import annotations

import logging

from sqlalchemy import Select, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.db import Database, now
from app.errors import Forbidden, NotAMember, WrongPassword
from app.ids import new_id
from app.names import printable
from app.teams import audit
from app.teams.actors import set_principal
from app.teams.addresses import address, is_address
from app.teams.invitations import join_all
from app.teams.models import MemberRow, UserRow
from app.teams.passwords import hash_password, is_outdated, is_right
from app.teams.records import Person, Principal
from app.teams.scopes import Role
from app.teams.sessions import end_sessions

log = logging.getLogger(__name__)

WRONG = "wrong e-mail address or password"
NO_TEAM = "you are not a member of any team; ask an admin for an invitation"


class PeopleService:
    """Who somebody is."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def sign_in(self, email: str, password: str) -> Principal:
        """Who has an e-mail address and a password; takes as long where nobody does.

        Raises:
            WrongPassword: nobody.
            NotAMember: somebody who is in no team.
        """
        email = email.strip().lower()
        with self.database.session() as session:
            user = _user(session, email) if is_address(email) else None
        kept = user.password_hash if user else None
        if not is_right(password, kept) or user is None:
            self._note_refusal(user)
            raise WrongPassword(WRONG)
        with self.database.session() as session:
            if kept is not None and is_outdated(kept):
                session.get_one(UserRow, user.id).password_hash = hash_password(password, email)
            return member_principal(session, user)

    def get(self, user_id: str) -> Person:
        """One person."""
        with self.database.session() as session:
            user = session.get_one(UserRow, user_id)
            return Person(email=user.email, name=user.name, has_password=user.password_hash is not None)

    def change_password(self, user_id: str, password: str, new_password: str) -> None:
        """Set another password; all sessions end.

        Raises:
            WrongPassword: the old one is another.
            WeakPassword: the new one is no good.
        """
        with self.database.session() as session:
            user = session.get_one(UserRow, user_id)
        if not is_right(password, user.password_hash):
            raise WrongPassword("the current password is wrong")
        kept = hash_password(new_password, user.email)
        with self.database.session() as session:
            session.get_one(UserRow, user_id).password_hash = kept
            end_sessions(session, user_id)
            audit.record(session, None, "password.set", user_id, email=user.email)

    def proven(self, subject: str, email: str, name: str) -> Principal:
        """Who an identity provider says that somebody is; invitations to their address are taken by the way.

        Args:
            subject: the provider and its own name for them, which never changes.
            email: verified by the provider.
            name: for people.

        Raises:
            NotAMember: they are in no team, and nobody has invited them.
        """
        email = address(email)
        try:
            return self._proven(subject, email, name)
        except IntegrityError:  # they have come in at the same time in another window
            return self._proven(subject, email, name)

    def _proven(self, subject: str, email: str, name: str) -> Principal:
        with self.database.session() as session:
            user = session.scalar(select(UserRow).where(UserRow.oidc_subject == subject).with_for_update())
            user = user or _adopted(session, subject, email, name)
            set_principal(Principal(team_id="", user_id=user.id, name=user.email, scopes=frozenset()))
            join_all(session, user, email)
            return member_principal(session, user)

    def _note_refusal(self, user: UserRow | None) -> None:
        log.warning("sign_in_refused", extra={"user_id": user.id if user else None})
        if user is not None:  # the admins of their team should know
            with self.database.session() as session:
                team = session.scalar(_memberships(user).with_only_columns(MemberRow.team_id))
                audit.record(session, team, "session.refuse", user.id, email=user.email)


def member_principal(session: Session, user: UserRow, team: str | None = None) -> Principal:
    """Somebody in one of their teams: the given one, or the one they have been in the longest.

    Raises:
        NotAMember: they are in none.
    """
    query = _memberships(user)
    member = session.scalar(query if team is None else query.where(MemberRow.team_id == team))
    if member is None:
        raise NotAMember(NO_TEAM)
    who = Principal(team_id=member.team_id, user_id=user.id, name=user.email, scopes=Role(member.role).scopes)
    set_principal(who)
    return who


def _adopted(session: Session, subject: str, email: str, name: str) -> UserRow:
    """The account of a proven address, which is the provider's from now on, or a new one."""
    user = _user(session, email, lock=True)
    if user is None:
        user = UserRow(
            id=new_id("usr"), email=email, name=printable(name or email), oidc_subject=subject, created_at=now()
        )
        session.add(user)
        session.flush()
        return user
    if user.oidc_subject is not None:
        raise Forbidden(f"{email} belongs to another account of the identity provider; ask who runs the service")
    # The address of an account with a password was never proven: whoever made it must not share it with its owner.
    user.oidc_subject, user.password_hash = subject, None
    end_sessions(session, user.id)
    audit.record(session, None, "user.link", user.id, email=email)
    return user


def _user(session: Session, email: str, *, lock: bool = False) -> UserRow | None:
    query = select(UserRow).where(UserRow.email == email)
    return session.scalar(query.with_for_update() if lock else query)


def _memberships(user: UserRow) -> Select[MemberRow]:
    return select(MemberRow).where(MemberRow.user_id == user.id).order_by(MemberRow.created_at, MemberRow.team_id)
