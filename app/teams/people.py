"""People who sign in, with a password or through an identity provider."""

from __future__ import annotations

import hashlib

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
from app.teams.devices import device_token, known_device
from app.teams.invitations import join_all
from app.teams.models import MemberRow, UserRow
from app.teams.passwords import hash_password, is_outdated, is_right
from app.teams.records import Person, Principal
from app.teams.refusals import note_refusal
from app.teams.scopes import Role
from app.teams.sessions import end_sessions

LONGEST_SUBJECT = 300
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
        user = self._find(email)
        kept = user.password_hash if user else None
        if not is_right(password, kept) or user is None:
            self._note_refusal(user)
            raise WrongPassword(WRONG)
        with self.database.session() as session:
            if kept is not None and is_outdated(kept):
                session.get_one(UserRow, user.id).password_hash = hash_password(password, email)
            return member_principal(session, user)

    def prove(self, user_id: str, password: str) -> None:
        """Make sure that somebody who is signed in knows their password.

        Raises:
            WrongPassword: it is another, or they have none.
        """
        with self.database.session() as session:
            user = session.get_one(UserRow, user_id)
        if not is_right(password, user.password_hash):
            self._note_refusal(user)
            raise WrongPassword("this is not your password")

    def known_device(self, email: str, token: str) -> str | None:
        """The name of a browser in which the person with an e-mail address has signed in before, by its token."""
        return known_device(self._find(email.strip().lower()), token)

    def device_token(self, user_id: str) -> str | None:
        """A token for a browser in which somebody has just signed in with a password."""
        with self.database.session() as session:
            return device_token(session.get_one(UserRow, user_id))

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
            self._note_refusal(user)
            raise WrongPassword("the current password is wrong")
        kept = hash_password(new_password, user.email)
        with self.database.session() as session:
            session.get_one(UserRow, user_id).password_hash = kept
            end_sessions(session, user_id)
            audit.record(session, None, "password.set", user_id, email=user.email)

    def proven(self, subject: str, email: str, name: str) -> Principal:
        """Who an identity provider says that somebody is; invitations to their address are taken by the way.

        Args:
            subject: the provider and its own name for them, which never changes; in any length.
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
            kept = kept_subject(subject)
            user = session.scalar(select(UserRow).where(UserRow.oidc_subject == kept).with_for_update())
            user = user or _adopted(session, subject, email, name)
            set_principal(Principal(team_id="", user_id=user.id, name=user.email, scopes=frozenset()))
            join_all(session, user, email)
            return member_principal(session, user)

    def _find(self, email: str) -> UserRow | None:
        with self.database.session() as session:
            return _user(session, email) if is_address(email) else None

    def _note_refusal(self, user: UserRow | None) -> None:
        with self.database.session() as session:
            note_refusal(session, user)


def member_principal(session: Session, user: UserRow, team: str | None = None) -> Principal:
    """Somebody in one of their teams: the given one, or the one they have been in the longest.

    Raises:
        NotAMember: they are in none.
    """
    query = _memberships(user.id)
    member = session.scalar(query if team is None else query.where(MemberRow.team_id == team))
    if member is None:
        raise NotAMember(NO_TEAM)
    who = Principal(team_id=member.team_id, user_id=user.id, name=user.email, scopes=Role(member.role).scopes)
    set_principal(who)
    return who


def kept_subject(subject: str) -> str:
    """What is kept of a provider and its name for somebody: all of it, or a hash of all of it where it is longer.

    Two that are told apart by their ends alone stay two. No hash is the subject of somebody else: those begin with the
    provider's address.
    """
    if len(subject) <= LONGEST_SUBJECT:
        return subject
    return f"sha256:{hashlib.sha256(subject.encode()).hexdigest()}"


def _adopted(session: Session, subject: str, email: str, name: str) -> UserRow:
    """The account of a proven address, which is the provider's from now on, or a new one."""
    kept = kept_subject(subject)
    user = _user(session, email, lock=True)
    if user is None:
        user = UserRow(
            id=new_id("usr"), email=email, name=printable(name or email), oidc_subject=kept, created_at=now()
        )
        session.add(user)
        session.flush()
        return user
    if len(subject) > LONGEST_SUBJECT and user.oidc_subject == subject[:LONGEST_SUBJECT]:
        user.oidc_subject = kept  # as versions before this one kept it; the address proves whose it is
        return user
    if user.oidc_subject is not None:
        raise Forbidden(f"{email} belongs to another account of the identity provider; ask who runs the service")
    # The address of an account with a password was never proven: whoever made it must not share it with its owner.
    user.oidc_subject, user.password_hash = kept, None
    end_sessions(session, user.id)
    audit.record(session, None, "user.link", user.id, email=email)
    return user


def _user(session: Session, email: str, *, lock: bool = False) -> UserRow | None:
    query = select(UserRow).where(UserRow.email == email)
    return session.scalar(query.with_for_update() if lock else query)


def _memberships(user_id: str) -> Select[MemberRow]:
    return select(MemberRow).where(MemberRow.user_id == user_id).order_by(MemberRow.created_at, MemberRow.team_id)
