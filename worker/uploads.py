"""Validating one upload: claim it, have a child look into it, write down the verdict."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from app.catalog.queue import UploadQueue
from app.catalog.records import UploadClaim
from app.catalog.states import UploadKind
from app.db import Database
from app.errors import DigestMismatch, LostClaim
from app.jobs.records import HeartbeatReply
from app.settings import Settings
from app.storage import BlobMissing, BlobStore
from worker import sandbox
from worker.heartbeat import Document, Pulse, ShuttingDown
from worker.inputs import alongside, awaited, hashing, materialise
from worker.process import ChildDied, ChildSpent
from worker.protocol import Request, ValidateCheckpoint, ValidateData
from worker.supervisor import ChildRefused, supervise

log = logging.getLogger(__name__)


class NotAsAnnounced(Exception):
    """What has arrived is not what the client said that it would send."""


@dataclass(frozen=True)
class UploadRunner:
    """Validates uploads in the name of ``owner``, until ``stopping`` is set."""

    database: Database
    store: BlobStore
    settings: Settings
    owner: str
    stopping: Event

    @property
    def work(self) -> UploadQueue:
        """The uploads' claims."""
        return UploadQueue(self.database, self.settings)

    def run(self, upload_id: str) -> bool:
        """Validate an upload if it can be claimed; say whether it could."""
        claim = self.work.claim(upload_id, self.owner)
        if claim is None:
            return False
        folder = self.settings.workspaces / claim.upload_id
        told = {"upload": claim.upload_id}
        try:
            self._validate(claim, folder, told)
        except LostClaim as error:
            log.warning("claim_lost", extra={**told, "reason": error.message})
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return True

    def _validate(self, claim: UploadClaim, folder: Path, told: dict[str, str]) -> None:
        try:
            self.work.accept(claim, self._look_into(claim, folder))
            log.info("upload_accepted", extra=told)
        except ChildRefused as refusal:
            self.work.refuse(claim, refusal.problem)
            log.info("upload_refused", extra={**told, "problem": refusal.problem["code"]})
        except ChildSpent as error:
            self.work.refuse(claim, {"code": "too_demanding", "detail": f"{error}; give a smaller or simpler file"})
            log.info("upload_refused", extra={**told, "problem": "too_demanding"})
        except NotAsAnnounced as error:
            self.work.refuse(claim, {"code": DigestMismatch.code, "detail": str(error)})
            log.info("upload_refused", extra={**told, "problem": DigestMismatch.code})
        except ShuttingDown:
            self.work.hand_back(claim)
        except (ChildDied, OSError, BlobMissing) as error:
            self.work.release(claim, {"code": "unreadable", "detail": f"the file cannot be looked into: {error}"})
            log.warning("upload_released", extra={**told, "reason": str(error)})

    def _look_into(self, claim: UploadClaim, folder: Path) -> Document:
        def beat(_reports: Sequence[Document], _seconds: float) -> HeartbeatReply:
            self.work.heartbeat(claim)
            return HeartbeatReply(cancel_requested=False)

        pulse = Pulse(
            beat,
            self.stopping,
            every_seconds=self.settings.heartbeat_seconds,
            lease_seconds=self.settings.lease_seconds,
        )
        self._assemble(claim, pulse)
        path = materialise(self.store, claim.content, folder / "input", pulse)
        task = ValidateCheckpoint(path=path) if claim.kind is UploadKind.CHECKPOINT else ValidateData(path=path)
        request = Request(task=task, sandbox=sandbox.for_validation(self.settings))

        def judge() -> Document:
            return supervise(request, folder / "child.log", pulse, silence_seconds=self.settings.validation_seconds)

        return judge() if claim.content.sha256 else self._verify_while(judge, claim, path, pulse)

    def _assemble(self, claim: UploadClaim, pulse: Pulse) -> None:
        """Make the content of its parts; from then on nothing that a client was ever given can change it."""
        multipart = claim.multipart
        if multipart is not None:
            alongside(lambda: self.store.complete_multipart(multipart, claim.parts), pulse)
            self.work.assembled(claim)

    def _verify_while(self, judge: Callable[[], Document], claim: UploadClaim, path: Path, pulse: Pulse) -> Document:
        """The child's verdict on a file whose digest is found out meanwhile."""
        with hashing(path) as digest:
            try:
                verdict = judge()
            except (ChildRefused, ChildSpent, ChildDied):
                self._verify(claim, awaited(digest, pulse))  # of bytes damaged on their way no verdict is wanted
                raise
            self._verify(claim, awaited(digest, pulse))
            return verdict

    def _verify(self, claim: UploadClaim, sha256: str) -> None:
        if claim.sha256 not in (None, sha256):
            raise NotAsAnnounced(f"the file has the sha256 {sha256}, not {claim.sha256}; send it again")
        self.work.verified(claim, sha256)
