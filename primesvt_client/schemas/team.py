"""What the API takes and gives of teams, their people and their keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field, StringConstraints

from primesvt_client.schemas.base import A_NUMBER, Body, Moment, View
from primesvt_client.states import InvitationState, Role, Scope

LONGEST_ADDRESS = 254
ADDRESS = r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,189}$"
"""What browsers take for an address (the HTML standard), bounded."""


VISIBLE = r"^[^\x00]*[^\x00\s][^\x00]*$"
"""Text of which something is seen, and without U+0000, which PostgreSQL does not store."""

LONGEST_GRACE_HOURS = 24 * 30
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=VISIBLE)]


class TeamView(View):
    """A team."""

    id: str
    name: str
    created_at: datetime
    retention_days: int | None = Field(
        description="Data and artifacts are deleted so many days after their last use; null keeps them."
    )


class TeamPatch(Body):
    """What changes about the team; what is left out stays."""

    name: Name = Field(default="unnamed", description="Left out: as it is.")
    retention_days: Annotated[int, Field(ge=1, le=36_500), A_NUMBER] | None = Field(
        default=None, description="null keeps everything."
    )


@dataclass(frozen=True, kw_only=True)
class Quotas:
    """What a team may use; None is as much as it likes.

    Attributes:
        storage_bytes: of uploads, from their announcement on, and artifacts together.
        unfinished_jobs: jobs that wait or run.
        gpu_minutes: of one calendar month (UTC).
        upload_bytes: of one upload.
    """

    storage_bytes: int | None = None
    unfinished_jobs: int | None = None
    gpu_minutes: int | None = None
    upload_bytes: int | None = None


class UsageView(BaseModel):
    """What the team uses, and what it may use; a null quota is none."""

    storage_bytes: int = Field(description="Of uploads, as announced, and artifacts.")
    unfinished_jobs: int
    gpu_minutes: float = Field(description="Of this month.")
    since: datetime = Field(description="When the month began (UTC).")
    quotas: Quotas


class MemberView(View):
    """Somebody in the team."""

    user_id: str
    email: str
    name: str
    role: Role
    created_at: datetime


class MemberPatch(Body):
    """What changes about a member."""

    role: Role


class NewInvitation(Body):
    """Somebody who is to join the team."""

    email: str = Field(max_length=LONGEST_ADDRESS, pattern=ADDRESS)
    role: Role = Role.MEMBER


class InvitationView(View):
    """Somebody who was invited, and what has become of it."""

    id: str
    email: str
    role: Role
    created_by: str | None
    created_at: datetime
    expires_at: datetime
    state: InvitationState = InvitationState.OPEN
    joined_at: datetime | None = Field(
        default=None, description="When the person became a member, by this link or another one."
    )


class InvitationLink(BaseModel):
    """An invitation that was just made; hand the link to the person, it is shown this once."""

    id: str
    link: str
    expires_at: datetime


class NewKeyBody(Body):
    """A key that is to be made."""

    name: Name
    scopes: list[Scope] = Field(min_length=1, max_length=len(Scope), description="No more than the caller has.")
    expires_at: Moment | None = Field(default=None, description="null: never.")


class Rotation(Body):
    """How a key is replaced."""

    grace_hours: Annotated[float, Field(ge=0, le=LONGEST_GRACE_HOURS), A_NUMBER] = Field(
        default=24.0, description="The old key goes on for so long."
    )


class KeyView(View):
    """A key, without its secret."""

    id: str
    name: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    created_by: str | None
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute.")
    replaces: str | None


class KeySecret(View):
    """A key that was just made; its secret is shown this once."""

    id: str
    secret: str


class AuditView(View):
    """Something that somebody did."""

    id: str
    at: datetime
    actor_kind: str = Field(description="user, key, operator or system.")
    actor_id: str | None
    actor_name: str
    action: str
    subject: str
    ip: str | None
    request_id: str | None
    details: dict[str, Any]


class AuditPage(BaseModel):
    """Some of the audit log, newest first."""

    items: list[AuditView]
    next_cursor: str | None
