"""What keys and members may do: scopes, and the roles that bundle them."""

from __future__ import annotations

from enum import StrEnum


class Scope(StrEnum):
    """One thing that a key may do, ``noun:verb``."""

    JOBS_READ = "jobs:read"
    JOBS_WRITE = "jobs:write"
    UPLOADS_READ = "uploads:read"
    UPLOADS_WRITE = "uploads:write"
    ARTIFACTS_READ = "artifacts:read"
    TEAM_READ = "team:read"
    TEAM_ADMIN = "team:admin"
    WEBHOOKS_READ = "webhooks:read"
    WEBHOOKS_WRITE = "webhooks:write"


class Role(StrEnum):
    """What a member of a team is; each may do what the one before it may, and more."""

    VIEWER = "viewer"
    MEMBER = "member"
    ADMIN = "admin"

    @property
    def scopes(self) -> frozenset[Scope]:
        """What a member of this role may do."""
        return SCOPES_OF[self]


ALL_SCOPES = frozenset(Scope)
READING = frozenset({Scope.JOBS_READ, Scope.UPLOADS_READ, Scope.ARTIFACTS_READ, Scope.TEAM_READ})
SCOPES_OF = {
    Role.VIEWER: READING,
    Role.MEMBER: READING | {Scope.JOBS_WRITE, Scope.UPLOADS_WRITE, Scope.WEBHOOKS_READ},
    Role.ADMIN: ALL_SCOPES,
}


def known_scopes(names: list[str]) -> frozenset[Scope]:
    """The scopes of a row; those that a later version gave and this one does not know are left out."""
    return frozenset(Scope(name) for name in names if name in ALL_SCOPES)
