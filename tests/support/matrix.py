"""The authorisation matrix: of every operation the scope it needs, a request that is right, and what it writes down.

An operation that is not here fails `tests/app/api/test_authorisation.py`: add it, with the scope that it must need.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import update

from app.catalog.states import UploadKind
from app.ids import new_id
from app.teams.invitations import InvitationService
from app.teams.scopes import Role, Scope
from app.webhooks.models import DeliveryRow
from app.webhooks.states import DeliveryState, EventType
from tests.support.dashboard import BUDGET, Dashboard, Team

PASSWORD = "seven brown foxes jump"
MARK = "only-ours"
"""In the name of everything that another team must not see."""


@dataclass(frozen=True)
class World:
    """A team with one of everything; every call makes a new thing for one operation to use up."""

    board: Dashboard
    team: Team

    def queued_job(self) -> str:
        return self.board.queued(self.team).id

    def finished_job(self) -> str:
        return self.board.succeeded(self.team).id

    def archived_job(self) -> str:
        job = self.finished_job()
        self.board.services.upkeep.archive(self.team.id, [job])
        return job

    def cancelled_job(self) -> str:
        job = self.board.queued(self.team)
        return self.board.services.jobs.cancel(self.team.id, job.id).id

    def open_upload(self) -> str:
        return self.board.services.catalog.create(self.team.id, UploadKind.CHECKPOINT, f"{MARK}.pth", 3, None).id

    def sent_upload(self) -> str:
        upload = self.open_upload()
        self.board.services.catalog.put_part(self.team.id, upload, 1, [b"abc"], None)
        return upload

    def ready_upload(self, kind: UploadKind) -> str:
        return self.board.ready(self.team, kind, f"{MARK}.pth").id

    def registered_dataset(self) -> str:
        """A data set that the team alone is offered."""
        return self.board.registered([self.team.id], f"{MARK} {new_id('n')}")

    def webhook(self) -> str:
        hooks = self.board.services.webhooks
        for hook in hooks.all(self.team.id):  # a team may not have very many
            hooks.delete(self.team.id, hook.id)
        return hooks.create(self.team.id, f"https://example.org/{MARK}", [EventType.JOB_FAILED]).webhook.id

    def delivery(self) -> dict[str, str]:
        hook = self.webhook()
        return {HOOK: hook, "delivery_id": self.board.services.webhooks.ping(self.team.id, hook).id}

    def failed_delivery(self) -> dict[str, str]:
        found = self.delivery()
        failed = update(DeliveryRow).where(DeliveryRow.id == found["delivery_id"])
        with self.board.services.database.session() as session:
            session.execute(failed.values(state=DeliveryState.FAILED.value))
        return found

    def key(self) -> str:
        return self.board.services.keys.create(self.team.id, f"{MARK} key").id

    def member(self) -> str:
        return joined(self.board, self.team.id, Role.MEMBER)

    def invitation(self) -> str:
        return self.board.services.invitations.invite(self.team.id, f"{MARK}@example.org", Role.VIEWER).id


def joined(board: Dashboard, team: str, role: Role, email: str = "") -> str:
    """Somebody new in a team; returns their id."""
    services = board.services
    email = email or f"m{len(services.members.all(team))}.{team}@example.org".replace("team_", "")
    invitations: InvitationService = services.invitations
    invitations.use(invitations.invite(team, email, role).token, PASSWORD)
    return next(member.user_id for member in services.members.all(team) if member.email == email)


Ids = Callable[[World], Mapping[str, str]]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One operation.

    Attributes:
        scope: what its caller needs; None where every valid key is enough.
        is_public: nobody needs to be known.
        ids: parameters of the path: things of the world's team.
        request: of a world, what is sent (options of httpx).
        action: what the audit log says afterwards; None where nothing is changed.
        grants: the request gives somebody scopes, which its caller must have too.
        names_things: the request names things of the world's team, beside those in the path.
        unlogged: why a changing operation writes nothing down.
    """

    scope: Scope | None = None
    is_public: bool = False
    ids: Ids = field(default=lambda world: {})
    request: Callable[[World], dict[str, Any]] = field(default=lambda world: {})
    action: str | None = None
    grants: bool = False
    names_things: bool = False
    unlogged: str = ""


PUBLIC = Entry(is_public=True)
JOB, UPLOAD, HOOK = "job_id", "upload_id", "webhook_id"


def _submission(world: World) -> dict[str, Any]:
    files = {
        "checkpoint_id": world.ready_upload(UploadKind.CHECKPOINT),
        "dataset_id": world.ready_upload(UploadKind.DATASET),
    }
    return {"json": {**files, "spec": {"budget": BUDGET}}}


def _two_jobs(world: World) -> dict[str, Any]:
    return {"params": {"job": [world.finished_job(), world.queued_job()]}}


def _json(**body: Any) -> Callable[[World], dict[str, Any]]:
    return lambda world: {"json": body}


MATRIX: dict[tuple[str, str], Entry] = {
    ("get", "/livez"): PUBLIC,
    ("get", "/readyz"): PUBLIC,
    ("get", "/api/v1/plugins"): PUBLIC,
    ("get", "/api/v1/spec/schema"): PUBLIC,
    ("get", "/api/v1/report/schema"): PUBLIC,
    ("get", "/api/v1/jobs"): Entry(scope=Scope.JOBS_READ),
    ("get", "/api/v1/jobs.csv"): Entry(scope=Scope.JOBS_READ),
    ("get", "/api/v1/jobs/filters"): Entry(scope=Scope.JOBS_READ),
    ("get", "/api/v1/results"): Entry(scope=Scope.JOBS_READ),
    ("get", "/api/v1/jobs/compare"): Entry(scope=Scope.JOBS_READ, request=_two_jobs, names_things=True),
    ("get", "/api/v1/jobs/compare.csv"): Entry(scope=Scope.JOBS_READ, request=_two_jobs, names_things=True),
    ("post", "/api/v1/jobs/archive"): Entry(
        scope=Scope.JOBS_WRITE,
        request=lambda w: {"json": {"job_ids": [w.finished_job()]}},
        names_things=True,
        action="job.archive",
    ),
    ("post", "/api/v1/jobs/unarchive"): Entry(
        scope=Scope.JOBS_WRITE,
        request=lambda w: {"json": {"job_ids": [w.archived_job()]}},
        names_things=True,
        action="job.unarchive",
    ),
    ("post", "/api/v1/jobs"): Entry(
        scope=Scope.JOBS_WRITE, request=_submission, names_things=True, action="job.submit"
    ),
    ("post", "/api/v1/jobs/preflight"): Entry(
        scope=Scope.JOBS_WRITE, request=_submission, names_things=True, unlogged="nothing is queued, nothing changes"
    ),
    ("get", "/api/v1/jobs/{job_id}"): Entry(scope=Scope.JOBS_READ, ids=lambda w: {JOB: w.queued_job()}),
    ("delete", "/api/v1/jobs/{job_id}"): Entry(
        scope=Scope.JOBS_WRITE, ids=lambda w: {JOB: w.finished_job()}, action="job.delete"
    ),
    ("get", "/api/v1/jobs/{job_id}/estimate"): Entry(scope=Scope.JOBS_READ, ids=lambda w: {JOB: w.queued_job()}),
    ("patch", "/api/v1/jobs/{job_id}"): Entry(
        scope=Scope.JOBS_WRITE,
        ids=lambda w: {JOB: w.queued_job()},
        request=lambda w: {"json": {"priority": "high"}},
        action="job.prioritise",
    ),
    ("post", "/api/v1/jobs/{job_id}/cancel"): Entry(
        scope=Scope.JOBS_WRITE, ids=lambda w: {JOB: w.queued_job()}, action="job.cancel"
    ),
    ("post", "/api/v1/jobs/{job_id}/retry"): Entry(
        scope=Scope.JOBS_WRITE, ids=lambda w: {JOB: w.cancelled_job()}, action="job.submit"
    ),
    ("get", "/api/v1/jobs/{job_id}/events"): Entry(scope=Scope.JOBS_READ, ids=lambda w: {JOB: w.finished_job()}),
    ("get", "/api/v1/jobs/{job_id}/artifacts"): Entry(
        scope=Scope.ARTIFACTS_READ, ids=lambda w: {JOB: w.finished_job()}
    ),
    ("get", "/api/v1/jobs/{job_id}/artifacts/{name}"): Entry(
        scope=Scope.ARTIFACTS_READ, ids=lambda w: {JOB: w.finished_job(), "name": "report.json"}
    ),
    ("head", "/api/v1/jobs/{job_id}/artifacts/{name}"): Entry(
        scope=Scope.ARTIFACTS_READ, ids=lambda w: {JOB: w.finished_job(), "name": "report.json"}
    ),
    ("get", "/api/v1/jobs/{job_id}/bundle"): Entry(scope=Scope.ARTIFACTS_READ, ids=lambda w: {JOB: w.finished_job()}),
    ("post", "/api/v1/uploads/example"): Entry(
        scope=Scope.UPLOADS_WRITE, unlogged="written down as any upload is, once; a team that has it gets nothing new"
    ),
    ("get", "/api/v1/uploads"): Entry(scope=Scope.UPLOADS_READ),
    ("post", "/api/v1/uploads"): Entry(
        scope=Scope.UPLOADS_WRITE,
        request=_json(kind="checkpoint", name="a.pth", size_bytes=3),
        action="upload.create",
    ),
    ("post", "/api/v1/uploads/whole"): Entry(
        scope=Scope.UPLOADS_WRITE,
        request=lambda w: {"content": b"abc", "params": {"kind": "checkpoint", "name": "a.pth"}},
        action="upload.complete",
    ),
    ("get", "/api/v1/uploads/{upload_id}"): Entry(scope=Scope.UPLOADS_READ, ids=lambda w: {UPLOAD: w.open_upload()}),
    ("delete", "/api/v1/uploads/{upload_id}"): Entry(
        scope=Scope.UPLOADS_WRITE, ids=lambda w: {UPLOAD: w.open_upload()}, action="upload.delete"
    ),
    ("put", "/api/v1/uploads/{upload_id}/parts/{number}"): Entry(
        scope=Scope.UPLOADS_WRITE,
        ids=lambda w: {UPLOAD: w.open_upload(), "number": "1"},
        request=lambda w: {"content": b"abc"},
        unlogged="a large file has thousands of parts; that it was announced and completed is written down",
    ),
    ("put", "/api/v1/uploads/{upload_id}/digest"): Entry(
        scope=Scope.UPLOADS_WRITE,
        ids=lambda w: {UPLOAD: w.open_upload()},
        request=_json(sha256="0" * 64),
        unlogged="part of announcing the upload, which is written down",
    ),
    ("post", "/api/v1/uploads/{upload_id}/part-urls"): Entry(
        scope=Scope.UPLOADS_WRITE,
        ids=lambda w: {UPLOAD: w.open_upload()},
        request=_json(numbers=[1]),
        unlogged="as the parts themselves",
    ),
    ("post", "/api/v1/uploads/{upload_id}/complete"): Entry(
        scope=Scope.UPLOADS_WRITE, ids=lambda w: {UPLOAD: w.sent_upload()}, action="upload.complete"
    ),
    ("get", "/api/v1/datasets"): Entry(scope=Scope.UPLOADS_READ),
    ("get", "/api/v1/datasets/{dataset_id}"): Entry(
        scope=Scope.UPLOADS_READ, ids=lambda w: {"dataset_id": w.registered_dataset()}
    ),
    ("get", "/api/v1/workers"): Entry(scope=Scope.JOBS_READ),
    ("get", "/api/v1/webhooks"): Entry(scope=Scope.WEBHOOKS_READ),
    ("post", "/api/v1/webhooks"): Entry(
        scope=Scope.WEBHOOKS_WRITE,
        request=_json(url="https://example.org/", events=["job.failed"]),
        action="webhook.create",
    ),
    ("get", "/api/v1/webhooks/{webhook_id}"): Entry(scope=Scope.WEBHOOKS_READ, ids=lambda w: {HOOK: w.webhook()}),
    ("patch", "/api/v1/webhooks/{webhook_id}"): Entry(
        scope=Scope.WEBHOOKS_WRITE, ids=lambda w: {HOOK: w.webhook()}, request=_json(), action="webhook.change"
    ),
    ("delete", "/api/v1/webhooks/{webhook_id}"): Entry(
        scope=Scope.WEBHOOKS_WRITE, ids=lambda w: {HOOK: w.webhook()}, action="webhook.delete"
    ),
    ("post", "/api/v1/webhooks/{webhook_id}/rotate"): Entry(
        scope=Scope.WEBHOOKS_WRITE, ids=lambda w: {HOOK: w.webhook()}, action="webhook.rotate"
    ),
    ("post", "/api/v1/webhooks/{webhook_id}/ping"): Entry(
        scope=Scope.WEBHOOKS_WRITE, ids=lambda w: {HOOK: w.webhook()}, action="webhook.ping"
    ),
    ("post", "/api/v1/webhooks/{webhook_id}/replay"): Entry(
        scope=Scope.WEBHOOKS_WRITE,
        ids=lambda w: {HOOK: w.webhook()},
        request=_json(since="2026-01-01T00:00:00Z"),
        action="webhook.replay",
    ),
    ("get", "/api/v1/webhooks/{webhook_id}/deliveries"): Entry(
        scope=Scope.WEBHOOKS_READ, ids=lambda w: {HOOK: w.webhook()}
    ),
    ("get", "/api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}"): Entry(
        scope=Scope.WEBHOOKS_READ, ids=lambda w: w.delivery()
    ),
    ("post", "/api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/replay"): Entry(
        scope=Scope.WEBHOOKS_WRITE, ids=lambda w: w.failed_delivery(), action="webhook.replay"
    ),
    ("get", "/api/v1/teams"): Entry(),
    ("get", "/api/v1/team"): Entry(scope=Scope.TEAM_READ),
    ("patch", "/api/v1/team"): Entry(scope=Scope.TEAM_ADMIN, request=_json(name="a name"), action="team.change"),
    ("get", "/api/v1/usage"): Entry(scope=Scope.TEAM_READ),
    ("get", "/api/v1/members"): Entry(scope=Scope.TEAM_READ),
    ("patch", "/api/v1/members/{user_id}"): Entry(
        scope=Scope.TEAM_ADMIN,
        ids=lambda w: {"user_id": w.member()},
        request=_json(role="viewer"),
        action="member.change",
        grants=True,
    ),
    ("delete", "/api/v1/members/{user_id}"): Entry(
        scope=Scope.TEAM_ADMIN, ids=lambda w: {"user_id": w.member()}, action="member.remove"
    ),
    ("get", "/api/v1/invitations"): Entry(scope=Scope.TEAM_ADMIN),
    ("post", "/api/v1/invitations"): Entry(
        scope=Scope.TEAM_ADMIN,
        request=_json(email="new@example.org", role="viewer"),
        action="member.invite",
        grants=True,
    ),
    ("delete", "/api/v1/invitations/{invitation_id}"): Entry(
        scope=Scope.TEAM_ADMIN, ids=lambda w: {"invitation_id": w.invitation()}, action="member.uninvite"
    ),
    ("get", "/api/v1/keys"): Entry(scope=Scope.TEAM_ADMIN),
    ("post", "/api/v1/keys"): Entry(
        scope=Scope.TEAM_ADMIN, request=_json(name="a key", scopes=["team:admin"]), action="key.create"
    ),
    ("post", "/api/v1/keys/{key_id}/rotate"): Entry(
        scope=Scope.TEAM_ADMIN, ids=lambda w: {"key_id": w.key()}, request=_json(), action="key.rotate", grants=True
    ),
    ("delete", "/api/v1/keys/{key_id}"): Entry(
        scope=Scope.TEAM_ADMIN, ids=lambda w: {"key_id": w.key()}, action="key.revoke"
    ),
    ("get", "/api/v1/audit"): Entry(scope=Scope.TEAM_ADMIN),
    ("get", "/api/v1/audit.csv"): Entry(scope=Scope.TEAM_ADMIN),
}
