"""Teams, keys and people as the rest of the program sees them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.teams.models import KeyRow, MemberRow, SessionRow, TeamRow, UserRow
from app.teams.scopes import Role, Scope, known_scopes


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Who asks, for which team, and what they may do.

    Attributes:
        key_id: the API key; None of somebody who signed in with a password.
        user_id: the person; None of a key.
        name: of the key, or the person's e-mail address.
        session_id: the session of the pages; None where every request carries the key itself.
        proven_at: when whoever has the session last proved who they are.
    """

    team_id: str
    key_id: str | None = None
    user_id: str | None = None
    name: str
    scopes: frozenset[Scope]
    session_id: str | None = None
    proven_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class PageSession:
    """A session of the pages as its owner sees it.

    Attributes:
        ip: the address it was opened from.
        agent: the browser, as it called itself then.
        seen_at: to the minute.
    """

    id: str
    created_at: datetime
    seen_at: datetime
    ip: str | None
    agent: str | None


@dataclass(frozen=True, kw_only=True)
class Team:
    """A team.

    Attributes:
        retention_days: data and artifacts that were not used for so long are deleted; None keeps them.
    """

    id: str
    name: str
    created_at: datetime
    retention_days: int | None


@dataclass(frozen=True)
class Membership:
    """A team that somebody is in."""

    team: Team
    role: Role


@dataclass(frozen=True, kw_only=True)
class Member:
    """Somebody in a team."""

    user_id: str
    email: str
    name: str
    role: Role
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody who signs in.

    Attributes:
        has_password: whether they sign in with one; otherwise an identity provider says who they are.
    """

    email: str
    name: str
    has_password: bool


@dataclass(frozen=True)
class NewKey:
    """A key that was just made; its secret is shown this once."""

    id: str
    team_id: str
    secret: str


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key as its owners see it later.

    Attributes:
        replaces: the key that it was made in place of.
        last_used_at: to the minute.
    """

    id: str
    team_id: str
    name: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    created_by: str | None
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    replaces: str | None

    def is_live(self, at: datetime) -> bool:
        """Whether it opens anything at a moment."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > at)


def team_record(row: TeamRow) -> Team:
    """The record of a row."""
    return Team(id=row.id, name=row.name, created_at=row.created_at, retention_days=row.retention_days)


def member_record(member: MemberRow, user: UserRow) -> Member:
    """The record of two rows."""
    return Member(
        user_id=user.id, email=user.email, name=user.name, role=Role(member.role), created_at=member.created_at
    )


def key_record(row: KeyRow) -> Key:
    """The record of a row."""
    return Key(
        id=row.id,
        team_id=row.team_id,
        name=row.name,
        scopes=tuple(sorted(known_scopes(row.scopes))),
        created_at=row.created_at,
        created_by=row.created_by,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
        replaces=row.replaces,
    )


def session_record(row: SessionRow) -> PageSession:
    """The record of a row."""
    return PageSession(id=row.id, created_at=row.created_at, seen_at=row.seen_at, ip=row.ip, agent=row.agent)
