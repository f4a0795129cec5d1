"""Who may ask: teams, keys, and the sessions that pages use."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import Database, new_id, now
from app.errors import InvalidKey
from app.teams.models import KeyRow, TeamRow

KEY_PREFIX = "psvt_"
SECRET_BYTES = 32
SESSION_SECONDS = 12 * 3600


@dataclass(frozen=True)
class Principal:
    """Who asks."""

    team_id: str
    key_id: str


@dataclass(frozen=True)
class NewKey:
    """A key that was just made; its secret is shown this once."""

    id: str
    team_id: str
    secret: str


@dataclass(frozen=True)
class KnownKey:
    """A key as its owners see it later."""

    id: str
    team_id: str
    team: str
    name: str
    revoked: bool


def _hash(secret: str) -> str:
    # The secret has 256 random bits: a slow hash would add nothing.
    return hashlib.sha256(secret.encode()).hexdigest()


def _add_key(session: Session, team_id: str, name: str) -> NewKey:
    key = NewKey(new_id("key"), team_id, KEY_PREFIX + secrets.token_urlsafe(SECRET_BYTES))
    row = KeyRow(id=key.id, team_id=team_id, name=name, secret_sha256=_hash(key.secret), created_at=now())
    session.add(row)
    return key


class TeamService:
    """Teams and their keys."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def bootstrap(self) -> NewKey | None:
        """Make the first team and its key, once; None if there is a team already."""
        with self.database.session() as session:
            if session.scalar(select(TeamRow.id).limit(1)):
                return None
        return self.create_team("default")

    def create_team(self, name: str) -> NewKey:
        """A new team with one key."""
        team_id = new_id("team")
        with self.database.session() as session:  # both or neither: a team without a key could never sign in
            session.add(TeamRow(id=team_id, name=name, created_at=now()))
            session.flush()
            return _add_key(session, team_id, "first key")

    def team_named(self, name: str) -> str:
        """Id of the team of that name, which is made if there is none."""
        with self.database.session() as session:
            found = session.scalar(select(TeamRow.id).where(TeamRow.name == name))
            if found is None:
                found = new_id("team")
                session.add(TeamRow(id=found, name=name, created_at=now()))
        return found

    def all_keys(self) -> list[KnownKey]:
        """The keys of all teams, oldest first; for whoever runs the service."""
        with self.database.session() as session:
            rows = session.execute(
                select(KeyRow, TeamRow.name).join(TeamRow, TeamRow.id == KeyRow.team_id).order_by(KeyRow.id)
            )
            return [KnownKey(key.id, key.team_id, team, key.name, key.revoked_at is not None) for key, team in rows]

    def create_key(self, team_id: str, name: str) -> NewKey:
        """Another key for a team."""
        with self.database.session() as session:
            return _add_key(session, team_id, name)

    def revoke_key(self, team_id: str, key_id: str) -> None:
        """From now on the key opens nothing."""
        with self.database.session() as session:
            row = session.get(KeyRow, key_id)
            if row is not None and row.team_id == team_id:
                row.revoked_at = now()

    def authenticate(self, secret: str) -> Principal:
        """Who holds a key.

        Raises:
            InvalidKey: if nobody does, or it is revoked.
        """
        return self._principal(KeyRow.secret_sha256 == _hash(secret))

    def open_session(self, principal: Principal) -> str:
        """A token for a page's cookie: it names the key and when it ends, signed with the key's hash."""
        body = f"{principal.key_id}.{int(time.time()) + SESSION_SECONDS}"
        return f"{body}.{self._signature(principal.key_id, body)}"

    def resume_session(self, token: str) -> Principal:
        """Who holds a session.

        Raises:
            InvalidKey: if the token was tampered with or has ended, or its key is revoked.
        """
        body, _, signature = token.rpartition(".")
        key_id, _, ends = body.partition(".")
        principal = self._principal(KeyRow.id == key_id)
        if (
            not hmac.compare_digest(signature.encode(), self._signature(key_id, body).encode())
            or int(ends) < time.time()
        ):
            raise InvalidKey("the session has ended; sign in again")
        return principal

    def form_token(self, session_token: str) -> str:
        """What a page's forms carry, so that another site cannot post them (CSRF)."""
        return hmac.new(b"form", session_token.encode(), hashlib.sha256).hexdigest()

    def _signature(self, key_id: str, body: str) -> str:
        with self.database.session() as session:
            row = session.get(KeyRow, key_id)
        return hmac.new((row.secret_sha256 if row else "").encode(), body.encode(), hashlib.sha256).hexdigest()

    def _principal(self, condition: object) -> Principal:
        with self.database.session() as session:
            row = session.scalar(select(KeyRow).where(condition))  # type: ignore[arg-type]
        if row is None or row.revoked_at is not None:
            raise InvalidKey(
                "the API key is unknown or revoked; ask for one, and send it as 'Authorization: Bearer psvt_…'"
            )
        return Principal(row.team_id, row.id)
