"""API keys: make, list, rotate, revoke, and tell who holds one. Every query takes the team."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from app.db import Database, now
from app.errors import Conflict, ExpiredKey, InvalidKey, NotFound
from app.ids import new_id
from app.names import printable
from app.teams import audit
from app.teams.models import KeyRow
from app.teams.records import Key, NewKey, Principal, key_record
from app.teams.scopes import ALL_SCOPES, Scope, known_scopes
from app.teams.tokens import hashed, is_well_formed, new_key

USE_NOTED_SECONDS = 60
"""How exactly the last use is known: a row is not written with every request."""

UNKNOWN = "the API key is unknown or revoked; ask for one, and send it as 'Authorization: Bearer psvt_…'"
MISTYPED = "this is not an API key: it is truncated or mistyped, since its checksum does not match"


class KeyService:
    """A team's API keys."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def create(
        self,
        team: str,
        name: str,
        scopes: Collection[Scope] = ALL_SCOPES,
        expires_at: datetime | None = None,
        created_by: str | None = None,
    ) -> NewKey:
        """Another key for a team."""
        with self.database.session() as session:
            return add_key(session, team, name, scopes, expires_at, created_by)

    def all(self, team: str, created_by: str | None = None) -> list[Key]:
        """A team's keys, or those of one maker, oldest first, without their secrets."""
        query = select(KeyRow).where(KeyRow.team_id == team).order_by(KeyRow.id)
        with self.database.session() as session:
            rows = session.scalars(query if created_by is None else query.where(KeyRow.created_by == created_by))
            return [key_record(row) for row in rows]

    def get(self, team: str, key_id: str) -> Key:
        """One key.

        Raises:
            NotFound: the team has none of that id.
        """
        with self.database.session() as session:
            return key_record(_row(session, team, key_id))

    def rotate(self, team: str, key_id: str, grace_seconds: float, created_by: str | None = None) -> NewKey:
        """A key in place of another one, which opens things for ``grace_seconds`` more.

        Raises:
            NotFound: the team has no such key.
            Conflict: the key opens nothing any more, or was rotated before.
        """
        with self.database.session() as session:
            row = _row(session, team, key_id)
            if not key_record(row).is_live(now()):
                raise Conflict(f"the key {row.name} is revoked or has expired; make a new one")
            if session.scalar(select(KeyRow.id).where(KeyRow.replaces == key_id, KeyRow.revoked_at.is_(None))):
                raise Conflict(f"the key {row.name} was rotated already; rotate the key that replaces it")
            made = add_key(session, team, row.name, known_scopes(row.scopes), row.expires_at, created_by, key_id)
            end = now() + timedelta(seconds=grace_seconds)
            row.expires_at = end if row.expires_at is None else min(end, row.expires_at)
            audit.record(session, team, "key.rotate", key_id, by=made.id, until=row.expires_at.isoformat())
        return made

    def revoke(self, team: str, key_id: str) -> None:
        """From now on the key opens nothing. Asking again changes nothing.

        Raises:
            NotFound: the team has no such key.
        """
        with self.database.session() as session:
            row = _row(session, team, key_id)
            if row.revoked_at is None:
                row.revoked_at = now()
                audit.record(session, team, "key.revoke", key_id, name=row.name)

    def authenticate(self, secret: str) -> Principal:
        """Who holds a key.

        Raises:
            InvalidKey: if nobody does, or it is mistyped or revoked.
            ExpiredKey: its time is over.
        """
        found = self.holders([secret])[secret]
        if isinstance(found, InvalidKey):
            raise found
        return found

    def holders(self, secrets: Collection[str]) -> dict[str, Principal | InvalidKey]:
        """Who holds each of some keys, or why it opens nothing."""
        known = {secret: hashed(secret) for secret in secrets if is_well_formed(secret)}
        found: dict[str, Principal | InvalidKey] = {secret: InvalidKey(MISTYPED) for secret in secrets}
        if not known:
            return found
        with self.database.reading() as session:
            rows = session.scalars(select(KeyRow).where(KeyRow.secret_sha256.in_(known.values())))
            by_hash = {row.secret_sha256: row for row in rows}
        found |= {secret: _judged(by_hash.get(digest)) for secret, digest in known.items()}
        unnoted = [row for row in by_hash.values() if isinstance(_judged(row), Principal) and _is_use_to_note(row)]
        if unnoted:
            with self.database.session() as session:
                for row in sorted(unnoted, key=lambda row: row.id):  # in one order: no two wait for each other
                    _note_use(session, row)
        return found


def live_keys_of(session: Session, team: str, creator: str) -> list[Key]:
    """Keys of a team that somebody made and that still open things, oldest first."""
    rows = select(KeyRow).where(KeyRow.team_id == team, KeyRow.created_by == creator).order_by(KeyRow.id)
    return [key for key in map(key_record, session.scalars(rows)) if key.is_live(now())]


def add_key(
    session: Session,
    team: str,
    name: str,
    scopes: Collection[Scope] = ALL_SCOPES,
    expires_at: datetime | None = None,
    created_by: str | None = None,
    replaces: str | None = None,
) -> NewKey:
    """Create an API key in the caller's transaction."""
    key_id = new_id("key")
    made = NewKey(key_id, team, new_key(key_id))
    row = KeyRow(
        id=key_id, team_id=team, name=printable(name), secret_sha256=hashed(made.secret), scopes=sorted(scopes),
        created_at=now(), created_by=created_by, expires_at=expires_at, replaces=replaces,
    )  # fmt: skip
    session.add(row)
    session.flush()
    audit.record(session, team, "key.create", key_id, name=name, scopes=row.scopes, replaces=replaces)
    return made


def key_holder(session: Session, row: KeyRow | None) -> Principal:
    """Who holds the key of a row; that it was used is noted, once a minute.

    Raises:
        InvalidKey: there is no such row, or it is revoked.
        ExpiredKey: its time is over.
    """
    holder = _judged(row)
    if isinstance(holder, InvalidKey):
        raise holder
    if row is not None and _is_use_to_note(row):
        _note_use(session, row)
    return holder


def _judged(row: KeyRow | None) -> Principal | InvalidKey:
    """Who holds the key of a row, or why it opens nothing."""
    if row is None or row.revoked_at is not None:
        return InvalidKey(UNKNOWN)
    if row.expires_at is not None and row.expires_at <= now():
        return ExpiredKey(f"the API key {row.name} has expired; make a new one")
    return Principal(team_id=row.team_id, key_id=row.id, name=row.name, scopes=known_scopes(row.scopes))


def _is_use_to_note(row: KeyRow) -> bool:
    return row.last_used_at is None or row.last_used_at < now() - timedelta(seconds=USE_NOTED_SECONDS)


def _note_use(session: Session, row: KeyRow) -> None:
    before = now() - timedelta(seconds=USE_NOTED_SECONDS)
    unnoted = or_(KeyRow.last_used_at.is_(None), KeyRow.last_used_at < before)
    session.execute(update(KeyRow).where(KeyRow.id == row.id, unnoted).values(last_used_at=now()))


def _row(session: Session, team: str, key_id: str) -> KeyRow:
    row = session.get(KeyRow, key_id, with_for_update=True)
    if row is None or row.team_id != team:
        raise NotFound(f"there is no key {key_id[:60]}")
    return row
