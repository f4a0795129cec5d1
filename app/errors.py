"""What the service's domains refuse, as one tree without HTTP.

DomainError
├── NotFound                  of the caller's team there is no such thing
│   └── InvalidLink           unknown, used, or too old
├── Conflict                  the thing is in a state that does not allow this
│   ├── JobFinished · JobInUse · ParentNotFinished · ParentResultsGone
│   ├── UploadNotReady · UploadIncomplete · UploadClosed · UploadInUse
│   ├── DatasetChanged · DatasetRemoved   the operator's file, or what the operator decided
│   ├── IdempotencyConflict   the key was used for another request
│   ├── TooManyWebhooks       the team has as many as it may have
│   ├── LastAdmin             nobody could administer the team any more
│   └── QuotaExceeded         the team has used up what it may use
├── Invalid                   the request itself is wrong
│   ├── InvalidCursor · DigestMismatch · PartOutOfRange · WebhookUrlRefused
│   ├── WeakPassword          too short, or easy to guess
│   └── TooLarge              beyond a limit of this server
├── InvalidKey                no such key, or it is revoked
│   ├── ExpiredKey            its time is over
│   └── WrongPassword         nobody has this address and this password
├── Forbidden                 the caller is known, and may not do this
│   ├── InsufficientScope     the key or the member's role does not include it
│   ├── NotAMember            of no team
│   ├── ProofNeeded           who has the session must prove again who they are
│   └── ProviderRefused       the identity provider does not vouch for them
├── ProviderUnreachable       the identity provider does not answer as it should
├── RateLimited               too many requests
└── LostClaim                 another worker has taken over; stop quietly
"""

from __future__ import annotations

from typing import ClassVar

from primesvt_client.problems import UPLOAD_CLOSED


class DomainError(Exception):
    """Base; ``code`` is what scripts compare, the message says what to do."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NotFound(DomainError):
    """Of the caller's team there is no such thing."""

    code = "not_found"


class InvalidLink(NotFound):
    """The link is unknown, was used, or is too old."""

    code = "invalid_link"


class Conflict(DomainError):
    """The thing is in a state that does not allow this."""

    code = "conflict"


class JobFinished(Conflict):
    """A finished job never changes."""

    code = "job_finished"


class JobInUse(Conflict):
    """Jobs that are not over still need this one's results."""

    code = "job_in_use"


class ParentNotFinished(Conflict):
    """Another budget is asked for of a job that has not succeeded."""

    code = "parent_not_finished"


class ParentResultsGone(Conflict):
    """Another budget is asked for of a job whose results are deleted, or cannot be read."""

    code = "parent_results_gone"


class UploadNotReady(Conflict):
    """The upload was refused or has expired."""

    code = "upload_not_ready"


class UploadIncomplete(Conflict):
    """Parts are missing."""

    code = "upload_incomplete"


class UploadClosed(Conflict):
    """The upload takes no more parts."""

    code = UPLOAD_CLOSED


class UploadInUse(Conflict):
    """Jobs still need the upload."""

    code = "upload_in_use"


class DatasetChanged(Conflict):
    """A registered data set is not what was validated."""

    code = "dataset_changed"


class DatasetRemoved(Conflict):
    """A registered data set is not offered to the team any more."""

    code = "dataset_removed"


class IdempotencyConflict(Conflict):
    """The idempotency key was used for another request."""

    code = "idempotency_conflict"


class TooManyWebhooks(Conflict):
    """The team has as many webhooks as it may have."""

    code = "too_many_webhooks"


class LastAdmin(Conflict):
    """Nobody could administer the team any more."""

    code = "last_admin"


class QuotaExceeded(Conflict):
    """The team has used up what it may use; the message says how much that is, and what to do."""

    code = "quota_exceeded"


class StorageQuotaExceeded(QuotaExceeded):
    """Bytes of uploads and artifacts."""

    code = "storage_quota_exceeded"


class UploadQuotaExceeded(QuotaExceeded):
    """Uploads, whatever their size."""

    code = "upload_quota_exceeded"


class JobQuotaExceeded(QuotaExceeded):
    """Jobs that are not over."""

    code = "job_quota_exceeded"


class GpuQuotaExceeded(QuotaExceeded):
    """GPU minutes of this month."""

    code = "gpu_quota_exceeded"


class Invalid(DomainError):
    """The request itself is wrong."""

    code = "invalid"


class InvalidCursor(Invalid):
    """The cursor is none that this server gave out."""

    code = "invalid_cursor"


class DigestMismatch(Invalid):
    """What arrived is not what was sent."""

    code = "digest_mismatch"


class PartOutOfRange(Invalid):
    """No such part, or it is of another size."""

    code = "part_out_of_range"


class WebhookUrlRefused(Invalid):
    """Messages may not be sent there."""

    code = "webhook_url_refused"


class WeakPassword(Invalid):
    """Too short, or easy to guess."""

    code = "weak_password"


class TooLarge(Invalid):
    """Beyond a limit of this server."""

    code = "too_large"


class InvalidKey(DomainError):
    """No such key, or it is revoked."""

    code = "invalid_key"


class ExpiredKey(InvalidKey):
    """The key's time is over."""

    code = "expired_key"


class WrongPassword(InvalidKey):
    """Nobody has this address and this password."""

    code = "wrong_password"


class Forbidden(DomainError):
    """The caller is known, and may not do this."""

    code = "forbidden"


class InsufficientScope(Forbidden):
    """The key, or the member's role, does not include what this needs."""

    code = "insufficient_scope"


class NotAMember(Forbidden):
    """Of no team."""

    code = "not_a_member"


class ProofNeeded(Forbidden):
    """Who has the session must prove again who they are: it may be a browser that somebody left open."""

    code = "proof_needed"


class ProviderRefused(Forbidden):
    """The identity provider does not vouch for somebody."""

    code = "provider_refused"


class ProviderUnreachable(DomainError):
    """The identity provider does not answer as it should."""

    code = "provider_unreachable"


class RateLimited(DomainError):
    """Too many requests; ``retry_after_seconds`` says when to come again."""

    code = "rate_limited"

    def __init__(self, message: str, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class LostClaim(DomainError):
    """Another worker has taken over, or the job was deleted: stop quietly, change nothing."""

    code = "lost_claim"
