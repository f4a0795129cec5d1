"""Helping with the profile of a job that another worker holds."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from sqlalchemy.exc import DBAPIError

from app import logs
from app.errors import LostClaim
from app.jobs.cells import CellStore
from app.jobs.records import CellClaim, HeartbeatReply
from app.settings import Settings
from app.storage import BlobMissing, BlobStore
from worker import sandbox
from worker.cell_dispatcher import HelpDesk
from worker.heartbeat import Document, Pulse, ShuttingDown
from worker.inputs import materialise
from worker.persistence import FreshCells
from worker.process import ChildDied
from worker.protocol import AssistRequest, Request
from worker.supervisor import ChildRefused, supervise

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Helper:
    """Helps in the name of a claim's owner, until ``stopping`` is set or ``has_own`` says that a job waits."""

    steps: CellStore
    store: BlobStore
    settings: Settings
    stopping: Event
    has_own: Callable[[], bool]

    def run(self, claim: CellClaim) -> bool:
        """Help as long as it is needed; say whether that went well. Cells that are not computed are given back."""
        # Not the job's own folder: its worker may be another one of this machine.
        folder = self.settings.workspaces / f"{claim.job_id}.{hashlib.sha256(claim.owner.encode()).hexdigest()[:16]}"
        with logs.bound(claim.job_id):
            log.info("help_begun")
            try:
                self._help(claim, folder)
                log.info("help_over")
            except LostClaim as error:
                log.info("help_not_needed", extra={"reason": error.message})
            except (ShuttingDown, ChildDied, ChildRefused, OSError, BlobMissing, DBAPIError) as error:
                log.warning("help_broken_off", extra={"reason": str(error)})
                return False
            finally:
                self._leave(claim, folder)
        return True

    def _leave(self, claim: CellClaim, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        try:
            self.steps.release(claim)
        except DBAPIError as error:  # the reconciler takes them
            log.warning("cells_not_given_back", extra={"reason": str(error.orig)})

    def _help(self, claim: CellClaim, folder: Path) -> None:
        workspace = folder / "workspace"
        desk = HelpDesk(self.steps, claim, FreshCells(workspace), self.has_own)

        def beat(_reports: Sequence[Document], _seconds: float) -> HeartbeatReply:
            desk.tell()
            return HeartbeatReply(cancel_requested=False)

        pulse = Pulse(
            beat,
            self.stopping,
            every_seconds=self.settings.heartbeat_seconds,
            lease_seconds=self.settings.lease_seconds,
        )
        task = AssistRequest(
            checkpoint=materialise(self.store, claim.checkpoint, folder / "inputs" / "checkpoint", pulse),
            data=materialise(self.store, claim.dataset, folder / "inputs" / "data", pulse),
            spec=claim.spec,
            workspace=workspace,
        )
        request = Request(task=task, sandbox=sandbox.for_computing(self.settings), device=claim.device)
        try:
            supervise(request, folder / "child.log", pulse, silence_seconds=self.settings.stall_seconds, desk=desk)
        finally:
            desk.tell()  # what was computed last
