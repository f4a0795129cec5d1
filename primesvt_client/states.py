"""What jobs, uploads, workers, webhooks, steps and members can be, as the REST API names it."""

from __future__ import annotations

from enum import StrEnum


class Step(StrEnum):
    """The steps of one compression, in their order."""

    INTAKE = "intake"
    BASELINE = "baseline"
    SORT = "sort"
    PROFILE = "profile"
    SEARCH = "search"
    FINE_TUNE = "fine_tune"
    CONFIRM = "confirm"
    EXPORT = "export"
    REPORT = "report"


class Verdict(StrEnum):
    """How a compression ended; a budget that cannot be reached is a verdict, not an error."""

    MET = "met"
    ACCURACY_FLOOR_REACHED = "accuracy_floor_reached"
    NOT_PROVEN = "not_proven"
    NOTHING_PRUNABLE = "nothing_prunable"
    FLOOR_MISSED = "floor_missed"
    NOT_MEASURED = "not_measured"


class JobState(StrEnum):
    """``queued -> running -> finalizing -> succeeded``, with ``cancelling -> cancelled`` and ``failed``."""

    QUEUED = "queued"
    RUNNING = "running"
    FINALIZING = "finalizing"
    SUCCEEDED = "succeeded"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    FAILED = "failed"

    @property
    def is_terminal(self) -> bool:
        """Whether the job never changes any more."""
        return self in TERMINAL


TERMINAL = frozenset({JobState.SUCCEEDED, JobState.CANCELLED, JobState.FAILED})


class Priority(StrEnum):
    """Among the waiting jobs of one team."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"

    @property
    def rank(self) -> int:
        """What is stored: the higher, the sooner."""
        return [*Priority].index(self) - 1

    @classmethod
    def of_rank(cls, rank: int) -> Priority:
        """The priority that is stored as ``rank``."""
        return (cls.LOW, cls.NORMAL, cls.HIGH)[rank + 1]


class JobSort(StrEnum):
    """What lists of jobs are sorted by; jobs that lack it come last."""

    CREATED = "created"
    FINISHED = "finished"
    SAVING = "saving"
    DROP = "drop"
    NAME = "name"

    @property
    def usual_order(self) -> SortOrder:
        """The order that shows first what people look for."""
        return SortOrder.ASCENDING if self in (JobSort.DROP, JobSort.NAME) else SortOrder.DESCENDING


class SortOrder(StrEnum):
    """Smallest or largest first."""

    ASCENDING = "asc"
    DESCENDING = "desc"


class Archived(StrEnum):
    """Whether a list has jobs that were archived."""

    EXCLUDE = "exclude"
    INCLUDE = "include"
    ONLY = "only"


class Scale(StrEnum):
    """What results are compared by: saving and drop against the original, or memory and accuracy as they are."""

    RELATIVE = "relative"
    ABSOLUTE = "absolute"


class UploadKind(StrEnum):
    """What an upload is meant to be."""

    CHECKPOINT = "checkpoint"
    DATASET = "dataset"


class UploadState(StrEnum):
    """``created -> uploading -> stored -> validating -> ready | rejected``; unfinished ones end as ``expired``."""

    CREATED = "created"
    UPLOADING = "uploading"
    STORED = "stored"
    VALIDATING = "validating"
    READY = "ready"
    REJECTED = "rejected"
    EXPIRED = "expired"


OPEN = frozenset({UploadState.CREATED, UploadState.UPLOADING})


class WorkerState(StrEnum):
    """``idle``, ``busy`` with a job, ``helping`` with another's, ``stopping``; ``lost``: no longer reporting."""

    IDLE = "idle"
    BUSY = "busy"
    HELPING = "helping"
    STOPPING = "stopping"
    LOST = "lost"


class EventType(StrEnum):
    """The events that a webhook may subscribe to."""

    JOB_SUCCEEDED = "job.succeeded"
    JOB_FAILED = "job.failed"
    JOB_CANCELLED = "job.cancelled"
    UPLOAD_READY = "upload.ready"
    UPLOAD_REJECTED = "upload.rejected"


class WebhookState(StrEnum):
    """``enabled``, ``failing`` (the last attempt was), ``disabled`` by the service, or ``switched_off`` by somebody."""

    ENABLED = "enabled"
    FAILING = "failing"
    DISABLED = "disabled"
    SWITCHED_OFF = "switched_off"


class InvitationState(StrEnum):
    """``open -> joined | withdrawn | expired``; joined, too, once the person is a member by another link."""

    OPEN = "open"
    JOINED = "joined"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class DeliveryState(StrEnum):
    """``pending -> delivered | failed``; a replay makes either ``pending`` again."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


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
