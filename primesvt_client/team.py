"""The team, its people and its keys, through the client."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any

from primesvt_client.connection import Connection
from primesvt_client.schemas.team import (
    AuditPage,
    AuditView,
    InvitationLink,
    InvitationView,
    KeySecret,
    KeyView,
    MemberView,
    TeamView,
    UsageView,
)
from primesvt_client.states import Role, Scope


class TeamClient:
    """What a client can do with its team; `primesvt_client.Client.team`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self) -> TeamView:
        """The team that the key belongs to."""
        return self._connection.get(TeamView, "team")

    def change(self, **changes: Any) -> TeamView:
        """Change ``name`` or ``retention_days``."""
        return self._connection.patch(TeamView, "team", changes)

    def usage(self) -> UsageView:
        """What the team uses, and what it may use."""
        return self._connection.get(UsageView, "usage")

    def members(self) -> list[MemberView]:
        """Everybody in the team."""
        return self._connection.get(list[MemberView], "members")

    def change_role(self, user_id: str, role: Role) -> MemberView:
        """Give a member another role."""
        return self._connection.patch(MemberView, f"members/{user_id}", {"role": role.value})

    def remove(self, user_id: str) -> None:
        """Take somebody out of the team."""
        self._connection.send("DELETE", f"members/{user_id}")

    def invite(self, email: str, role: Role = Role.MEMBER) -> InvitationLink:
        """Invite a member: the link is shown only once. Never retried, which would make two."""
        return self._connection.post_once(InvitationLink, "invitations", {"email": email, "role": role.value})

    def invitations(self, *, closed: bool = False) -> list[InvitationView]:
        """Invitations whose link can still be used; ``closed``: the others, too, with what has become of them."""
        params = {"closed": "true"} if closed else None
        return self._connection.get(list[InvitationView], "invitations", params)

    def withdraw(self, invitation_id: str) -> None:
        """Let an invitation's link lead nowhere."""
        self._connection.send("DELETE", f"invitations/{invitation_id}")

    def keys(self) -> list[KeyView]:
        """The team's keys, without their secrets."""
        return self._connection.get(list[KeyView], "keys")

    def create_key(self, name: str, scopes: Collection[Scope], expires_at: datetime | None = None) -> KeySecret:
        """Create an API key; its secret is shown only once. Never retried, which would make two."""
        end = expires_at.isoformat() if expires_at else None
        body = {"name": name, "scopes": sorted(scope.value for scope in scopes), "expires_at": end}
        return self._connection.post_once(KeySecret, "keys", body)

    def rotate_key(self, key_id: str, grace_hours: float = 24.0) -> KeySecret:
        """Replace an API key, which stays valid for a while. Never retried, which would be refused."""
        return self._connection.post_once(KeySecret, f"keys/{key_id}/rotate", {"grace_hours": grace_hours})

    def revoke_key(self, key_id: str) -> None:
        """From now on the key opens nothing."""
        self._connection.send("DELETE", f"keys/{key_id}")

    def audit(self, action: str = "") -> Iterator[AuditView]:
        """What was done, newest first."""
        params = {"action": action}
        while True:
            page = self._connection.get(AuditPage, "audit", params)
            yield from page.items
            if page.next_cursor is None:
                return
            params = {**params, "cursor": page.next_cursor}
