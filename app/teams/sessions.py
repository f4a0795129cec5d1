"""Who is signed in to the pages: sessions are rows, so that they can be ended; a cookie carries a random token."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.orm import Session

from app.db import Database, now
from app.errors import InvalidKey, NotFound
from app.ids import new_id
from app.names import printable
from app.teams import audit
from app.teams.actors import actor, set_principal
from app.teams.keys import key_holder
from app.teams.models import KeyRow, MemberRow, SessionRow, UserRow
from app.teams.records import PageSession, Principal, session_record
from app.teams.scopes import Role
from app.teams.tokens import hashed, new_token

LONGEST_SECONDS = 12 * 3600
"""A session ends then, whatever happens."""

IDLE_SECONDS = 2 * 3600
"""It ends earlier if nothing was asked for that long; an open page asks by itself."""

PROOF_SECONDS = 15 * 60
"""How long after proving who one is one may hand out keys and roles."""

SEEN_NOTED_SECONDS = 60
LONGEST_AGENT = 200
ENDED = "the session has ended; sign in again"


class SessionService:
    """Sessions of people, who signed in with a password, and of keys that were typed into the sign-in."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def open(self, principal: Principal, agent: str = "", *, is_proven: bool = True) -> str:
        """A token for a page's cookie; sessions that ended long ago are forgotten by the way.

        Args:
            principal: whose session it is.
            agent: the browser, as it calls itself.
            is_proven: whether they have just proved who they are; a provider may take that from hours ago.
        """
        token = new_token()
        proven_at = now() if is_proven else now() - timedelta(seconds=PROOF_SECONDS)
        with self.database.session() as session:
            session.execute(delete(SessionRow).where(SessionRow.expires_at < now()))
            row = SessionRow(
                id=new_id("ses"), token_sha256=hashed(token), team_id=principal.team_id, user_id=principal.user_id,
                key_id=principal.key_id, created_at=now(), seen_at=now(),
                expires_at=now() + timedelta(seconds=LONGEST_SECONDS), proven_at=proven_at, ip=actor().ip,
                agent=printable(agent[:LONGEST_AGENT]) if agent else None,
            )  # fmt: skip
            session.add(row)
            set_principal(principal)
            audit.record(session, principal.team_id, "session.open", row.id, name=principal.name)
        return token

    def resume(self, token: str) -> Principal:
        """Who holds a session, with what they may do now.

        Raises:
            InvalidKey: it has ended, its key is revoked, or the person is no member any more.
        """
        with self.database.session() as session:
            row = _live(session, token)
            before = now() - timedelta(seconds=SEEN_NOTED_SECONDS)
            if row.seen_at < before:
                session.execute(update(SessionRow).where(SessionRow.id == row.id).values(seen_at=now()))
            if row.key_id is not None:
                return _in_session(key_holder(session, session.get(KeyRow, row.key_id)), row)
            return _in_session(_member(session, row), row)

    def prove(self, session_id: str) -> None:
        """Whoever has a session has proved again who they are."""
        with self.database.session() as session:
            session.execute(update(SessionRow).where(SessionRow.id == session_id).values(proven_at=now()))

    def all(self, user_id: str) -> list[PageSession]:
        """The open sessions of a person in all teams, newest first."""
        with self.database.session() as session:
            rows = session.scalars(select(SessionRow).where(SessionRow.user_id == user_id, *_open()))
            return [session_record(row) for row in sorted(rows, key=lambda row: row.id, reverse=True)]

    def close_one(self, user_id: str, session_id: str) -> None:
        """End one session of a person.

        Raises:
            NotFound: they have no such session.
        """
        with self.database.session() as session:
            row = session.get(SessionRow, session_id)
            if row is None or row.user_id != user_id:
                raise NotFound(f"you have no session {session_id[:60]}; it may have ended by itself")
            audit.record(session, row.team_id, "session.close", row.id)
            session.delete(row)

    def switch(self, token: str, team: str) -> None:
        """Look at another of one's teams from now on.

        Raises:
            InvalidKey: the session has ended.
            NotFound: the person is not in that team.
        """
        with self.database.session() as session:
            row = _live(session, token)
            if row.user_id is None or session.get(MemberRow, (team, row.user_id)) is None:
                raise NotFound(f"you are in no team {team[:60]}")
            row.team_id = team

    def close(self, token: str) -> None:
        """End a session, wherever its cookie is."""
        with self.database.session() as session:
            row = session.scalar(select(SessionRow).where(SessionRow.token_sha256 == hashed(token)))
            if row is not None:
                audit.record(session, row.team_id, "session.close", row.id)
                session.delete(row)

    def close_all(self, user_id: str) -> None:
        """End all sessions of a person."""
        with self.database.session() as session:
            end_sessions(session, user_id)


def form_token(token: str) -> str:
    """What the forms of a session carry, so that another site cannot post them (CSRF)."""
    return hmac.new(token.encode(), b"form", hashlib.sha256).hexdigest()


def end_sessions(session: Session, user_id: str, team: str | None = None) -> None:
    """End the sessions of a person, in one team or in all, in the caller's transaction."""
    ended = delete(SessionRow).where(SessionRow.user_id == user_id)
    session.execute(ended if team is None else ended.where(SessionRow.team_id == team))


def needs_proof(principal: Principal) -> bool:
    """Whether somebody must prove again who they are before they hand out keys and roles.

    A request that carries an API key proves it by that; a session does so for a while after its owner has signed in.
    """
    if principal.session_id is None:
        return False
    return principal.proven_at is None or principal.proven_at <= now() - timedelta(seconds=PROOF_SECONDS)


def _open() -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return SessionRow.expires_at > now(), SessionRow.seen_at > now() - timedelta(seconds=IDLE_SECONDS)


def _live(session: Session, token: str) -> SessionRow:
    row = session.scalar(select(SessionRow).where(SessionRow.token_sha256 == hashed(token), *_open()))
    if row is None:
        raise InvalidKey(ENDED)
    return row


def _in_session(principal: Principal, row: SessionRow) -> Principal:
    # Rows of processes of before say nothing of a proof: their owner has signed in when they were made.
    return replace(principal, session_id=row.id, proven_at=row.proven_at or row.created_at)


def _member(session: Session, row: SessionRow) -> Principal:
    user = session.get(UserRow, row.user_id)
    member = session.get(MemberRow, (row.team_id, row.user_id))
    if user is None or member is None:
        raise InvalidKey(ENDED)
    return Principal(team_id=row.team_id, user_id=user.id, name=user.email, scopes=Role(member.role).scopes)
