"""Helps with the profile of a job that another worker holds."""

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
from app.errors import DatasetChanged, LostClaim
from app.jobs.cells import CellStore
from app.jobs.records import CellClaim, HeartbeatReply
from app.settings import Settings
from app.storage import BlobMissing, BlobStore
from primesvt_client.progress import Progress
from worker import sandbox
from worker.cell_dispatcher import HelperCellDispatcher
from worker.heartbeat import LeaseHeartbeat, ShuttingDown
from worker.outside import fetch
from worker.persistence import NewCells
from worker.process import ChildDied
from worker.protocol import AssistRequest, AssistResult, Request
from worker.supervisor import ChildRefused, supervise

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CellHelper:
    """Helps in the name of a claim's owner, until ``stopping`` is set or ``has_own_job`` answers that a job waits."""

    steps: CellStore
    store: BlobStore
    settings: Settings
    stopping: Event
    has_own_job: Callable[[], bool]

    def run(self, claim: CellClaim) -> bool:
        """Help as long as help is needed, then give back the cells that are not computed; False after a failure."""
        # Not the job's own folder: its worker may run on this machine, too.
        folder = self.settings.workspaces / f"{claim.job_id}.{hashlib.sha256(claim.owner.encode()).hexdigest()[:16]}"
        with logs.bound(claim.job_id):
            log.info("help_begun")
            try:
                self._help(claim, folder)
                log.info("help_over")
            except LostClaim as error:
                log.info("help_not_needed", extra={"reason": error.message})
            except (ShuttingDown, ChildDied, ChildRefused, DatasetChanged, OSError, BlobMissing, DBAPIError) as error:
                log.warning("help_broken_off", extra={"reason": str(error)})
                return False
            finally:
                self._release(claim, folder)
        return True

    def _release(self, claim: CellClaim, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        try:
            self.steps.release(claim)
        except DBAPIError as error:  # the reconciler takes them back
            log.warning("cells_not_given_back", extra={"reason": str(error.orig)})

    def _help(self, claim: CellClaim, folder: Path) -> None:
        workspace = folder / "workspace"
        dispatcher = HelperCellDispatcher(self.steps, claim, NewCells(workspace), self.has_own_job)

        def renew(_reports: Sequence[Progress], _seconds: float) -> HeartbeatReply:
            dispatcher.report()
            return HeartbeatReply(cancel_requested=False)

        heartbeat = LeaseHeartbeat(
            renew,
            self.stopping,
            every_seconds=self.settings.heartbeat_seconds,
            lease_seconds=self.settings.lease_seconds,
        )
        inputs, training = folder / "inputs", claim.train_dataset
        task = AssistRequest(
            checkpoint=fetch(self.store, self.settings, claim.checkpoint, inputs / "checkpoint", heartbeat),
            data=fetch(self.store, self.settings, claim.dataset, inputs / "data", heartbeat),
            train_data=fetch(self.store, self.settings, training, inputs / "training", heartbeat) if training else None,
            spec=claim.spec,
            workspace=workspace,
        )
        request = Request(task=task, sandbox=sandbox.for_computing(self.settings, claim.device), device=claim.device)
        try:
            supervise(
                request, AssistResult, folder / "child.log", heartbeat, silence_seconds=self.settings.stall_seconds,
                dispatcher=dispatcher,
            )  # fmt: skip
        finally:
            dispatcher.report()  # what was computed last
