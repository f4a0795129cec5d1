"""Labels and formats of pages: states, steps, roles, actions, and quantities in percent, points, bytes and seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from app.catalog.records import Upload
from app.catalog.states import UploadState
from app.jobs.states import JobState
from app.teams.scopes import Role, Scope
from app.webhooks.states import PING, DeliveryState, EventType, WebhookState
from app.workers.records import WorkerState
from primesvt_client.durations import in_words
from primesvt_client.facts import CheckpointFacts, ResultSummary
from primesvt_client.shares import percent_text, points_text
from primesvt_client.sizes import size_text
from primesvt_client.states import InvitationState, Step, Verdict

Formatter = Callable[[float], str]
"""Turns a quantity into text."""

NOTHING = "–"  # noqa: RUF001  # an en dash is meant
NO_SUMMARY = ResultSummary()

STATES: Mapping[str, str] = {
    JobState.QUEUED: "Queued",
    JobState.RUNNING: "Running",
    JobState.FINALIZING: "Storing results",
    JobState.SUCCEEDED: "Succeeded",
    JobState.CANCELLING: "Cancelling",
    JobState.CANCELLED: "Cancelled",
    JobState.FAILED: "Failed",
    UploadState.CREATED: "Created",
    UploadState.UPLOADING: "Uploading",
    UploadState.STORED: "Queued for validation",
    UploadState.VALIDATING: "Validating",
    UploadState.READY: "Ready",
    UploadState.REJECTED: "Rejected",
    UploadState.EXPIRED: "Expired",
    DeliveryState.PENDING: "Pending",
    DeliveryState.DELIVERED: "Delivered",
    InvitationState.OPEN: "Open",
    InvitationState.JOINED: "Joined",
    InvitationState.WITHDRAWN: "Withdrawn",
    WebhookState.ENABLED: "Enabled",
    WebhookState.FAILING: "Failing",
    WebhookState.DISABLED: "Disabled by the service",
    WebhookState.SWITCHED_OFF: "Switched off",
    WorkerState.IDLE: "Idle",
    WorkerState.BUSY: "Busy",
    WorkerState.HELPING: "Helping",
    WorkerState.STOPPING: "Stopping",
    WorkerState.LOST: "Lost",
}

TONES: Mapping[str, str] = {
    JobState.RUNNING: "busy",
    JobState.FINALIZING: "busy",
    JobState.CANCELLING: "busy",
    JobState.SUCCEEDED: "good",
    JobState.FAILED: "bad",
    UploadState.UPLOADING: "busy",
    UploadState.VALIDATING: "busy",
    UploadState.READY: "good",
    UploadState.REJECTED: "bad",
    DeliveryState.PENDING: "busy",
    DeliveryState.DELIVERED: "good",
    InvitationState.OPEN: "busy",
    InvitationState.JOINED: "good",
    WebhookState.ENABLED: "good",
    WebhookState.FAILING: "bad",
    WebhookState.DISABLED: "bad",
    WorkerState.BUSY: "busy",
    WorkerState.HELPING: "busy",
    WorkerState.LOST: "bad",
}
"""Colour of a state; those absent are neutral."""

STEPS: Mapping[str, str] = {
    Step.INTAKE: "Read checkpoint and data",
    Step.BASELINE: "Evaluate the original model",
    Step.SORT: "Sort layers by size",
    Step.PROFILE: "Measure sensitivity per channel group",
    Step.SEARCH: "Search within the budget",
    Step.FINE_TUNE: "Fine-tune",
    Step.CONFIRM: "Confirm on held-out images",
    Step.EXPORT: "Export the pruned model",
    Step.REPORT: "Write the report",
}

ROLES: Mapping[str, str] = {Role.VIEWER: "Viewer", Role.MEMBER: "Member", Role.ADMIN: "Admin"}

SCOPES: Mapping[str, str] = {
    Scope.JOBS_READ: "view jobs",
    Scope.JOBS_WRITE: "submit, cancel and delete jobs",
    Scope.UPLOADS_READ: "view uploads",
    Scope.UPLOADS_WRITE: "upload and delete files",
    Scope.ARTIFACTS_READ: "download results",
    Scope.TEAM_READ: "view the team and its usage",
    Scope.TEAM_ADMIN: "manage members, API keys and settings, view the audit log",
    Scope.WEBHOOKS_READ: "view webhooks",
    Scope.WEBHOOKS_WRITE: "manage webhooks",
}

EVENTS: Mapping[str, str] = {
    EventType.JOB_SUCCEEDED: "job succeeded",
    EventType.JOB_FAILED: "job failed",
    EventType.JOB_CANCELLED: "job cancelled",
    EventType.UPLOAD_READY: "upload ready",
    EventType.UPLOAD_REJECTED: "upload rejected",
    PING: "test event",
}

ACTIONS: Mapping[str, str] = {
    "session.open": "signed in",
    "session.refuse": "failed to sign in",
    "session.close": "signed out",
    "password.offer": "created a password reset link",
    "password.set": "set a password",
    "user.link": "linked an account to the identity provider",
    "member.invite": "invited a member",
    "member.uninvite": "withdrew an invitation",
    "member.join": "joined the team",
    "member.change": "changed a member's role",
    "member.remove": "removed a member",
    "key.create": "created an API key",
    "key.rotate": "rotated an API key",
    "key.revoke": "revoked an API key",
    "team.create": "created the team",
    "team.change": "changed the team's settings",
    "team.quotas": "changed the team's quotas",
    "upload.create": "created an upload",
    "upload.complete": "completed an upload",
    "upload.delete": "deleted an upload",
    "upload.expire": "deleted an unused upload (retention)",
    "dataset.add": "registered a data set",
    "dataset.remove": "removed a data set",
    "dataset.offer": "was offered a data set",
    "dataset.withdraw": "is offered a data set no more",
    "job.submit": "submitted a job",
    "job.prioritise": "changed a job's priority",
    "job.tag": "changed a job's tags",
    "job.note": "changed a job's note",
    "job.archive": "archived a job",
    "job.unarchive": "unarchived a job",
    "job.cancel": "cancelled a job",
    "job.delete": "deleted a job",
    "job.expire": "deleted an unused job (retention)",
    "webhook.create": "created a webhook",
    "webhook.change": "changed a webhook",
    "webhook.rotate": "rotated a webhook secret",
    "webhook.ping": "sent a test event",
    "webhook.replay": "resent deliveries",
    "webhook.delete": "deleted a webhook",
}
"""Every action that the audit log holds, in the order of the filter."""


def family(model: Upload | None) -> str:
    """The family of an uploaded checkpoint; empty if it is not known."""
    facts = model.facts if model is not None else None
    return facts.title or facts.family if isinstance(facts, CheckpointFacts) else ""


def percent(fraction: float | None, digits: int = 2) -> str:
    """0.2668 as ``26.68 %``."""
    return NOTHING if fraction is None else percent_text(fraction, digits)


def points(fraction: float | None, digits: int = 2) -> str:
    """0.03 as ``3.00 points``."""
    return NOTHING if fraction is None else points_text(fraction, digits)


def size(count: float | None) -> str:
    """37 300 000 bytes as ``35.6 MiB``."""
    return NOTHING if count is None else size_text(count)


def count(number: float | None) -> str:
    """12345 as ``12,345``."""
    return NOTHING if number is None else f"{number:,.0f}"


def duration(seconds: float | None) -> str:
    """95 as ``1 min 35 s``."""
    return NOTHING if seconds is None else in_words(seconds)


def may(role: Role, others: Iterable[Role] = ()) -> str:
    """What a role may do that no role of ``others`` may, in words."""
    known = frozenset[Scope]().union(*(other.scopes for other in others))
    return ", ".join(SCOPES[scope] for scope in Scope if scope in role.scopes - known)


def run_seconds(started: datetime | None, finished: datetime | None, now: datetime) -> float | None:
    """How long a job has run; queue time never counts."""
    return None if started is None else ((finished or now) - started).total_seconds()


def utc(moment: datetime) -> str:
    """A moment to the minute, where no script turns it into local time."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def utc_exact(moment: datetime) -> str:
    """A moment to the second, for titles."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def iso(moment: datetime) -> str:
    """A moment for machines."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def state(value: str) -> str:
    """The label of a state."""
    return STATES.get(value, value)


def is_good(verdict: str | None, summary: ResultSummary | None) -> bool:
    """Whether a result is shown as a success: its budget is met, and something was saved."""
    return verdict == Verdict.MET and bool((summary or NO_SUMMARY).memory_saving)


def tone(value: str) -> str:
    """The colour of a state."""
    return TONES.get(value, "plain")
