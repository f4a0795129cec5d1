"""Validates one upload: claims it, lets a child inspect it, records the verdict."""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from app.catalog.queue import UploadQueue
from app.catalog.records import Outside, UploadClaim
from app.catalog.states import UploadKind
from app.db import Database
from app.errors import DigestMismatch, Invalid, LostClaim, StorageQuotaExceeded
from app.jobs.records import HeartbeatReply
from app.settings import Settings
from app.storage import BlobMissing, BlobStore
from app.storage.outside import is_s3, look
from app.teams.quotas import server_quotas
from app.usage.quotas import ASK, QuotaService
from primesvt_client.facts import CheckpointFacts, DataSetFacts, ProblemFacts
from primesvt_client.progress import Progress
from primesvt_core.errors import ScratchFull
from worker import sandbox
from worker.heartbeat import LeaseHeartbeat, ShuttingDown
from worker.inputs import hash_in_thread, run_in_thread, wait_for
from worker.outside import fetch
from worker.postponed import Postponed
from worker.process import ChildDied, CpuLimitExceeded
from worker.protocol import RefusedMessage, Request, Sandbox, ValidateCheckpoint, ValidateData
from worker.scratch import Grant, NoRoom, ScratchSpace, Wanted, full_disk_told
from worker.supervisor import ChildRefused, NoCellDispatcher, supervise
from worker.turns import CAN_MEASURE, MOST_PICTURES, CpuAllowance, Turns

log = logging.getLogger(__name__)

Inspected = CheckpointFacts | DataSetFacts


class Watch(NoCellDispatcher):
    """Ends a child when somebody has filled the disk, the child itself perhaps, whatever it counts."""

    def __init__(self, space: ScratchSpace) -> None:
        self.space = space

    def poll(self) -> None:
        """Raises: NoRoom: too little is free."""
        self.space.check()


class DigestDiffers(Exception):
    """What has arrived does not have the digest that the client announced."""


@dataclass(frozen=True)
class UploadRunner:
    """Validates uploads in the name of ``owner``, until ``stopping`` is set."""

    database: Database
    store: BlobStore
    settings: Settings
    owner: str
    stopping: Event
    turns: Turns = field(default_factory=Turns)
    postponed: Postponed = field(default_factory=Postponed)

    @property
    def work(self) -> UploadQueue:
        """The uploads' claims."""
        return UploadQueue(self.database, self.settings)

    def run(self, upload_id: str) -> bool:
        """Validate an upload if it can be claimed; returns whether it could."""
        if not self.postponed.is_due(upload_id):
            return False
        claim = self.work.claim(upload_id, self.owner)
        if claim is None:
            return False
        self.run_claimed(claim)
        return True

    def run_claimed(self, claim: UploadClaim) -> None:
        """Validate an upload that was claimed; whatever happens is written to the database."""
        folder = self.settings.scratch / claim.upload_id
        fields = {"upload": claim.upload_id}
        try:
            self._validate(claim, folder, fields)
        except LostClaim as error:
            log.warning("claim_lost", extra={**fields, "reason": error.message})
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _validate(self, claim: UploadClaim, folder: Path, fields: dict[str, str]) -> None:
        try:
            self._settle(claim, folder, fields)
            self.postponed.remove(claim.upload_id)
        except NoRoom as error:
            self.work.postpone(claim, ProblemFacts(code=ScratchFull.code, detail=str(error)))
            self.postponed.add(claim.upload_id, claim.team)
            log.warning("upload_postponed", extra={**fields, "reason": str(error)})

    def _settle(self, claim: UploadClaim, folder: Path, fields: dict[str, str]) -> None:
        """Give the verdict, or give the upload back.

        Raises:
            NoRoom: the disk is full, which says nothing of the upload.
        """
        try:
            with full_disk_told(), self.space.reserved(self._wanted(claim)) as grant:
                self.work.accept(claim, self._inspect(claim, folder, grant))
            log.info("upload_accepted", extra=fields)
        except ChildRefused as refusal:
            self.work.refuse(claim, refusal.problem)
            log.info("upload_refused", extra={**fields, "problem": refusal.problem.code})
        except CpuLimitExceeded as error:
            demanding = ProblemFacts(code="too_demanding", detail=f"{error}; give a smaller or simpler file")
            self.work.refuse(claim, demanding)
            log.info("upload_refused", extra={**fields, "problem": "too_demanding"})
        except Invalid as error:  # of a registered data set: no worker could read it, at no time
            self.work.refuse(claim, ProblemFacts(code=error.code, detail=error.message))
            log.info("upload_refused", extra={**fields, "problem": error.code})
        except DigestDiffers as error:
            self.work.refuse(claim, ProblemFacts(code=DigestMismatch.code, detail=str(error)))
            log.info("upload_refused", extra={**fields, "problem": DigestMismatch.code})
        except ShuttingDown:
            self.work.hand_back(claim)
        except (ChildDied, OSError, BlobMissing) as error:
            self.space.check()  # a child may also die of a full disk
            self.work.release(claim, ProblemFacts(code="unreadable", detail=f"the file cannot be inspected: {error}"))
            log.warning("upload_released", extra={**fields, "reason": str(error)})

    @property
    def space(self) -> ScratchSpace:
        """What validations of this machine share."""
        return ScratchSpace.of(self.settings)

    def _wanted(self, claim: UploadClaim) -> Wanted:
        left = QuotaService(self.database, server_quotas(self.settings)).left_bytes(claim.team)
        outside = claim.content.outside
        if outside is not None:
            copied = look(outside.location, self.settings).size_bytes if is_s3(outside.location) else 0
        else:
            copied = 0 if self.store.local_path(claim.content.blob_key) else claim.parts.size
        return Wanted(name=claim.upload_id, team=claim.team, team_bytes=left, copied_bytes=copied)

    def _inspect(self, claim: UploadClaim, folder: Path, grant: Grant) -> Inspected:
        def renew(_reports: Sequence[Progress], _seconds: float) -> HeartbeatReply:
            self.work.heartbeat(claim)
            return HeartbeatReply(cancel_requested=False)

        heartbeat = LeaseHeartbeat(
            renew,
            self.stopping,
            every_seconds=self.settings.heartbeat_seconds,
            lease_seconds=self.settings.lease_seconds,
        )
        self._assemble(claim, heartbeat)
        path = fetch(self.store, self.settings, claim.content, folder / "input", heartbeat)
        is_checkpoint = claim.kind is UploadKind.CHECKPOINT
        most = grant.size_bytes
        task = ValidateCheckpoint(path=path) if is_checkpoint else ValidateData(path=path, scratch_bytes=most)
        per_picture = 0.0 if is_checkpoint else self.settings.validation_cpu_ms_per_picture / 1000
        allowance = CpuAllowance(self.settings.validation_cpu_seconds, per_picture)
        request = Request(task=task, sandbox=_allowing(sandbox.for_validation(self.settings, most), allowance))
        expected: type[Inspected] = CheckpointFacts if is_checkpoint else DataSetFacts
        log_file, patience = folder / "child.log", self.settings.validation_seconds

        def validate() -> Inspected:
            try:
                with self.turns.joined(claim.team, allowance) as turn:
                    return supervise(
                        request, expected, log_file, heartbeat, silence_seconds=patience, dispatcher=Watch(self.space),
                        pace=turn,
                    )  # fmt: skip
            except ChildRefused as refusal:
                raise _out_of_room(refusal, grant) from None

        if claim.content.outside is not None:
            return self._register(validate, claim, claim.content.outside, path, heartbeat)
        return validate() if claim.content.sha256 else self._verify_while(validate, claim, path, heartbeat)

    def _register(
        self, validate: Callable[[], Inspected], claim: UploadClaim, outside: Outside, path: Path,
        heartbeat: LeaseHeartbeat,
    ) -> Inspected:  # fmt: skip
        """The child's verdict on a file that the service does not own, which must stay as it is meanwhile."""
        before = look(outside.location, self.settings)
        verdict = self._verify_while(validate, claim, path, heartbeat)
        if look(outside.location, self.settings) != before:
            raise OSError(f"{outside.location} changed while it was read")
        self.work.seen(claim, before.size_bytes, before.version)
        return verdict

    def _assemble(self, claim: UploadClaim, heartbeat: LeaseHeartbeat) -> None:
        """Make the content of its parts; from then on no address that a client has can change it."""
        multipart = claim.multipart
        if multipart is not None:
            run_in_thread(lambda: self.store.complete_multipart(multipart, claim.parts), heartbeat)
            self.work.assembled(claim)

    def _verify_while(
        self,
        validate: Callable[[], Inspected],
        claim: UploadClaim,
        path: Path,
        heartbeat: LeaseHeartbeat,
    ) -> Inspected:
        """The child's verdict on a file whose digest is computed meanwhile."""
        with hash_in_thread(path) as digest:
            try:
                verdict = validate()
            except (ChildRefused, CpuLimitExceeded, ChildDied):
                self._verify(claim, wait_for(digest, heartbeat))  # bytes that were damaged in transit get no verdict
                raise
            self._verify(claim, wait_for(digest, heartbeat))
            return verdict

    def _verify(self, claim: UploadClaim, sha256: str) -> None:
        if claim.sha256 not in (None, sha256):
            raise DigestDiffers(f"the file has the sha256 {sha256}, not {claim.sha256}; send it again")
        self.work.verified(claim, sha256)


def _allowing(limits: Sandbox, allowance: CpuAllowance) -> Sandbox:
    """The sandbox whose own limit of processor time ends a child that its worker does not: it knows no pictures."""
    if not (limits.cpu_seconds and CAN_MEASURE):
        return limits
    return limits.model_copy(update={"cpu_seconds": math.ceil(allowance.seconds(MOST_PICTURES)) + 1})


def _out_of_room(refusal: ChildRefused, grant: Grant) -> Exception:
    """What a refusal means, where it is for want of room: of the team's, the server's limit, or a disk that is full."""
    problem = refusal.problem
    if problem.code != ScratchFull.code:
        return refusal
    size = f"{grant.size_bytes:,} bytes"
    if grant.limited_by == "team":
        detail = (
            f"it unpacks to more than the {size} that the team may still store; delete uploads or finished jobs that"
            f" nobody needs, pack it as a .zip, which is not unpacked, or {ASK}"
        )
        return ChildRefused(RefusedMessage(code=StorageQuotaExceeded.code, detail=detail))
    if grant.limited_by == "server":
        detail = f"it unpacks to more than the {size} that this server allows; pack it as a .zip, which is not unpacked"
        return ChildRefused(RefusedMessage(code="too_demanding", detail=detail))
    return NoRoom(f"it unpacks to more than the {size} that are free for it; {problem.detail}")
