"""Runs one job: a child carries it out, its artifacts are stored, its outcome is written to the database."""

from __future__ import annotations

import logging
import math
import mimetypes
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from sqlalchemy.exc import DBAPIError

from app import logs
from app.db import Database
from app.errors import DatasetChanged, LostClaim, ParentResultsGone
from app.jobs.asked import PLAN
from app.jobs.cells import CellStore
from app.jobs.earlier import EarlierJobs
from app.jobs.files import JobFileStore
from app.jobs.parents import run_name
from app.jobs.queue import JobQueue
from app.jobs.records import HeartbeatReply, JobClaim, StoredArtifact
from app.queue import Notifier
from app.settings import Settings
from app.signing import SigningKeyUnusable, signing_key
from app.storage import BlobMissing, BlobStore
from primesvt_client.facts import ProblemFacts
from primesvt_client.progress import Progress
from primesvt_client.provenance import FILE as PROVENANCE
from worker import sandbox
from worker.cell_dispatcher import OwnCellDispatcher
from worker.files import chunks, plain_files
from worker.heartbeat import CancelRequested, LeaseHeartbeat, ShuttingDown
from worker.inputs import UNSAFE, with_heartbeat
from worker.outside import fetch
from worker.persistence import NewCells, SavedFiles, delete_leftovers, fetch_cells, fetch_run
from worker.process import ChildDied
from worker.protocol import CompressRequest, CompressResult, PruneRequest, Request, RetargetRequest
from worker.scratch import NoRoom, full_disk_told
from worker.statements import statement
from worker.supervisor import ChildRefused, RunTimeExceeded, supervise

log = logging.getLogger(__name__)
MODEL_CARD = "README.md"
"""As hubs look for it."""

UNKNOWN_MEDIA = "application/octet-stream"


@dataclass(frozen=True)
class JobRunner:
    """Runs jobs in the name of ``owner``, until ``stopping`` is set."""

    database: Database
    store: BlobStore
    settings: Settings
    owner: str
    stopping: Event
    notifier: Notifier

    @property
    def work(self) -> JobQueue:
        """The jobs' claims."""
        return JobQueue(self.database, self.settings)

    @property
    def steps(self) -> CellStore:
        """What the jobs' attempts have computed."""
        return CellStore(self.database, self.settings)

    @property
    def files(self) -> JobFileStore:
        """Large files that they made."""
        return JobFileStore(self.database)

    @property
    def earlier(self) -> EarlierJobs:
        """The team's jobs before."""
        return EarlierJobs(self.database)

    def run(self, claim: JobClaim) -> None:
        """Run a job. Whatever happens is written to the database."""
        with logs.bound(claim.job_id):
            log.info("job_claimed", extra={"epoch": claim.epoch})
            try:
                self._run(claim)
            except LostClaim as error:
                log.warning("claim_lost", extra={"reason": error.message})

    def _run(self, claim: JobClaim) -> None:
        folder = self.settings.workspaces / claim.job_id
        try:
            with full_disk_told():
                self._carry_out(claim, folder)
            log.info("job_succeeded")
        except CancelRequested:
            self.work.stopped(claim)
            log.info("job_cancelled")
        except NoRoom as error:
            self.work.postpone(claim, str(error))
            log.warning("job_postponed", extra={"reason": str(error)})
            return
        except ChildRefused as refusal:
            self.work.fail(claim, refusal.problem)
            log.info("job_refused", extra={"problem": refusal.problem.code})
        except (DatasetChanged, ParentResultsGone) as error:
            self.work.fail(claim, ProblemFacts(code=error.code, detail=error.message))
            log.info("job_refused", extra={"problem": error.code})
        except RunTimeExceeded as error:
            asked = "ask for less: fewer epochs, fewer rates, fewer images, or a part of the channel groups"
            self.work.fail(claim, ProblemFacts(code="too_demanding", detail=f"{error}; {asked}"))
            log.info("job_refused", extra={"problem": "too_demanding"})
        except ShuttingDown:
            self.work.hand_back(claim)
            log.info("job_handed_back")
            return
        except (ChildDied, OSError, BlobMissing) as error:
            self.work.release(claim, ProblemFacts(detail=str(error)))
            log.warning("job_released", extra={"reason": str(error)})
            return
        shutil.rmtree(folder, ignore_errors=True)  # no attempt will use it again
        self._delete_leftovers()

    def _delete_leftovers(self) -> None:
        try:
            delete_leftovers(self.files, self.store)
        except (OSError, DBAPIError) as error:  # the reconciler deletes them
            log.warning("files_left_over", extra={"reason": str(error)})

    def _carry_out(self, claim: JobClaim, folder: Path) -> None:
        workspace = folder / UNSAFE.sub("-", claim.scope)
        cells, saved = NewCells(workspace), SavedFiles(self.files, self.store, claim, workspace)

        def renew(reports: Sequence[Progress], seconds: float) -> HeartbeatReply:
            answer = self.work.heartbeat(claim, reports, seconds, cells.read())
            cells.mark_saved()
            return answer

        heartbeat = LeaseHeartbeat(
            renew, self.stopping, every_seconds=self.settings.heartbeat_seconds,
            lease_seconds=self.settings.lease_seconds,
        )  # fmt: skip
        request = Request(
            task=self._task(claim, folder, workspace, saved, heartbeat),
            sandbox=sandbox.for_computing(self.settings, claim.device),
            device=claim.device,
        )
        dispatcher = OwnCellDispatcher(
            self.steps, claim, cells, self.settings.share_seconds, lambda: self.notifier.notify_job(claim.job_id),
            lambda: saved.save(heartbeat),
        )  # fmt: skip
        try:
            result = supervise(
                request,
                CompressResult,
                folder / "child.log",
                heartbeat,
                silence_seconds=self.settings.stall_seconds,
                longest_seconds=self.settings.job_seconds or math.inf,
                dispatcher=dispatcher,
            )
        finally:  # what was computed is stored for the next attempt, however this one ends
            heartbeat.renew()
        saved.save(heartbeat)  # repairs that were fitted last, for other budgets
        if self.work.finalize(claim).cancel_requested:
            raise CancelRequested
        self._store_artifacts(claim, folder / "out", result, heartbeat)

    def _task(
        self, claim: JobClaim, folder: Path, workspace: Path, saved: SavedFiles, heartbeat: LeaseHeartbeat
    ) -> CompressRequest | RetargetRequest | PruneRequest:
        inputs = folder / "inputs"
        shutil.rmtree(folder / "out", ignore_errors=True)  # of an earlier attempt; its results are in the workspace
        data, training, parent = claim.dataset, claim.train_dataset, claim.parent
        run: dict[str, Any] = {
            "checkpoint": fetch(self.store, self.settings, claim.checkpoint, inputs / "checkpoint", heartbeat),
            "data": fetch(self.store, self.settings, data, inputs / "data", heartbeat) if data else None,
            "train_data": fetch(self.store, self.settings, training, inputs / "training", heartbeat)
            if training
            else None,
            "workspace": workspace,
            "out": folder / "out",
            "known": self.steps.known(claim),
            "fetched": saved.fetch(folder / "fetched", heartbeat),
        }
        if parent is not None:
            return RetargetRequest(
                **run, run=fetch_run(self.store, parent, folder / "parent", heartbeat), name=run_name(parent.job_id),
                max_accuracy_drop=None if parent.by_disagreement else parent.allowed,
                max_disagreement=parent.allowed if parent.by_disagreement else None, budgets=parent.budgets,
            )  # fmt: skip
        cells = fetch_cells(self.earlier, self.store, claim, folder / "earlier", heartbeat)
        if claim.plan is not None:
            return PruneRequest(**run, spec=claim.spec, plan=claim.plan, plan_name=PLAN, cells=cells)
        return CompressRequest(**run, spec=claim.spec, cells=cells)

    def _store_artifacts(self, claim: JobClaim, out: Path, result: CompressResult, heartbeat: LeaseHeartbeat) -> None:
        """Store the artifacts, then list them in the transaction that ends the job: nobody sees half of them."""
        names = {path: path.relative_to(out).as_posix() for path in plain_files(out)}
        names.pop(out / PROVENANCE, None)  # the statement is the worker's, not the child's
        self.files.announce(claim, {_key(claim, name): name for name in (*names.values(), PROVENANCE)})
        stored: list[StoredArtifact] = []
        try:
            for path, name in names.items():
                stored.append(self._store(claim, path, name, heartbeat))
            (out / PROVENANCE).write_bytes(self._signed(claim, stored))
            stored.append(self._store(claim, out / PROVENANCE, PROVENANCE, heartbeat))
            self.work.succeed(claim, stored, result.verdict, result.summary)
        except (CancelRequested, ShuttingDown, LostClaim, OSError):  # after other errors it is unknown what was written
            for artifact in stored:
                self.store.delete(artifact.blob_key)
            raise

    def _signed(self, claim: JobClaim, stored: Sequence[StoredArtifact]) -> bytes:
        """What the artifacts are and what they were made from, signed.

        Raises:
            OSError: the key cannot be used; another worker may have it.
        """
        try:
            key = signing_key(self.settings.signing_key)
        except SigningKeyUnusable as error:
            raise OSError(error.message) from None
        return key.sign(statement(claim, stored, key.id))

    def _store(self, claim: JobClaim, path: Path, name: str, heartbeat: LeaseHeartbeat) -> StoredArtifact:
        key = _key(claim, name)
        blob = self.store.put(key, with_heartbeat(chunks(path), heartbeat))
        media_type = mimetypes.guess_type(name)[0] or UNKNOWN_MEDIA
        return StoredArtifact(name=name, media_type=media_type, size_bytes=blob.size, sha256=blob.sha256, blob_key=key)


def _key(claim: JobClaim, name: str) -> str:
    # The epoch in the key: an attempt that has lost its claim never writes over its successor's files.
    if name == MODEL_CARD:  # keys have no capitals; in a place of its own, where no file of another name can be
        return f"artifacts/{claim.job_id}/{claim.epoch}.card/readme.md"
    return f"artifacts/{claim.job_id}/{claim.epoch}/{name}"
