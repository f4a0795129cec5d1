"""What roles, scopes, events and actions are called on pages."""

from __future__ import annotations

from collections.abc import Mapping

from app.teams.scopes import Role, Scope
from app.webhooks.states import PING, EventType

ROLES: Mapping[str, str] = {Role.VIEWER: "Viewer", Role.MEMBER: "Member", Role.ADMIN: "Admin"}

SCOPES: Mapping[str, str] = {
    Scope.JOBS_READ: "see jobs",
    Scope.JOBS_WRITE: "submit, stop and delete jobs",
    Scope.UPLOADS_READ: "see uploads",
    Scope.UPLOADS_WRITE: "upload and delete files",
    Scope.ARTIFACTS_READ: "download results",
    Scope.TEAM_READ: "see the team and its usage",
    Scope.TEAM_ADMIN: "manage people, keys and settings",
    Scope.WEBHOOKS_READ: "see webhooks",
    Scope.WEBHOOKS_WRITE: "manage webhooks",
}

EVENTS: Mapping[str, str] = {
    EventType.JOB_SUCCEEDED: "a job has succeeded",
    EventType.JOB_FAILED: "a job has failed",
    EventType.JOB_CANCELLED: "a job was cancelled",
    EventType.UPLOAD_READY: "an upload is ready",
    EventType.UPLOAD_REJECTED: "an upload was refused",
    PING: "test message",
}

ACTIONS: Mapping[str, str] = {
    "session.open": "signed in",
    "session.refuse": "was refused at the sign-in",
    "session.close": "signed out",
    "password.offer": "offered a new password",
    "password.set": "set a password",
    "user.link": "linked an account to the provider",
    "member.invite": "invited somebody",
    "member.uninvite": "withdrew an invitation",
    "member.join": "joined the team",
    "member.change": "changed a role",
    "member.remove": "removed a member",
    "key.create": "made an API key",
    "key.rotate": "rotated an API key",
    "key.revoke": "revoked an API key",
    "team.create": "made the team",
    "team.change": "changed the team's settings",
    "team.quotas": "changed the team's quotas",
    "upload.create": "announced an upload",
    "upload.complete": "completed an upload",
    "upload.delete": "deleted an upload",
    "upload.expire": "deleted an upload that nobody used",
    "job.submit": "submitted a job",
    "job.prioritise": "changed a job's priority",
    "job.cancel": "cancelled a job",
    "job.delete": "deleted a job",
    "job.expire": "deleted a job that nobody used",
    "webhook.create": "added a webhook",
    "webhook.change": "changed a webhook",
    "webhook.rotate": "made a new webhook secret",
    "webhook.ping": "sent a test message",
    "webhook.replay": "had messages sent again",
    "webhook.delete": "deleted a webhook",
}
"""Every action that the audit log holds, in the order of the filter."""
