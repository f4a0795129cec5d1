"""Large files that a job's attempts hand on to each other through the blob store, and artifacts until they are listed.

Every blob is written down before it is stored and read only once all of it is there, so that none is lost sight of,
whenever a worker dies.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from app.db import Database
from app.jobs.cell_models import FileRow
from app.jobs.claims import lock_claimed
from app.jobs.models import JobRow
from app.jobs.records import JobClaim, JobFile
from app.jobs.states import TERMINAL
from primesvt_core.workspace.store import REPAIRED

AT_ONCE = 100
ARTIFACTS = "artifacts"
"""Scope of files that are no attempt's memory, but what comes of the job."""

REPAIRS = "repairs"
"""Scope of the repairs that a succeeded job has fitted, which other budgets of its curve take over: fitted again they
may round otherwise than those that were tested. They stay as long as the job's artifacts.
"""


class JobFileStore:
    """What workers and the reconciler do to these files."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def all(self, claim: JobClaim) -> list[JobFile]:
        """The files that earlier attempts have left for this one."""
        mine = select(FileRow).where(FileRow.job_id == claim.job_id, FileRow.scope == claim.scope)
        with self.database.session() as session:
            whole = session.scalars(mine.where(FileRow.sha256.is_not(None)).order_by(FileRow.name))
            return [JobFile(row.name, row.blob_key, row.sha256 or "") for row in whole]

    def begin(self, claim: JobClaim, name: str) -> str:
        """The key under which to store the newest version of a file.

        Raises:
            LostClaim: the job is another's.
        """
        key = f"workspaces/{claim.job_id}/{claim.epoch}/{secrets.token_hex(8)}"
        with self.database.session() as session:
            lock_claimed(session, claim)
            session.add(FileRow(blob_key=key, job_id=claim.job_id, scope=claim.scope, name=name))
        return key

    def announce(self, claim: JobClaim, names: Mapping[str, str]) -> None:
        """Artifacts are about to be stored, by key. Those that the job does not list in the end are left over.

        Raises:
            LostClaim: the job is another's.
        """
        with self.database.session() as session:
            lock_claimed(session, claim)
            for key, name in names.items():
                session.merge(FileRow(blob_key=key, job_id=claim.job_id, scope=ARTIFACTS, name=name))

    def finish(self, claim: JobClaim, key: str, sha256: str, size_bytes: int) -> list[str]:
        """All of it is stored; returns the keys of earlier versions, which are to be deleted.

        Raises:
            LostClaim: the job is another's.
        """
        with self.database.session() as session:
            lock_claimed(session, claim)
            row = session.get_one(FileRow, key)
            row.sha256, row.size_bytes = sha256, size_bytes
            same = (FileRow.job_id == row.job_id, FileRow.scope == row.scope, FileRow.name == row.name)
            return [*session.scalars(select(FileRow.blob_key).where(*same, FileRow.blob_key != key))]

    def left_over(self) -> list[str]:
        """Keys of some files whose jobs are over."""
        over = [state.value for state in TERMINAL]
        with self.database.session() as session:
            found = select(FileRow.blob_key).join(JobRow, JobRow.id == FileRow.job_id)
            found = found.where(JobRow.state.in_(over), FileRow.scope != REPAIRS)
            return [*session.scalars(found.limit(AT_ONCE))]

    def forget(self, keys: list[str]) -> None:
        """These blobs are deleted."""
        with self.database.session() as session:
            session.execute(delete(FileRow).where(FileRow.blob_key.in_(keys)))


def listed(session: Session, keys: Collection[str]) -> None:
    """These files are the job's artifacts now, in the caller's transaction: nothing is left over of them."""
    session.execute(delete(FileRow).where(FileRow.blob_key.in_(keys)))


def keep_repairs(session: Session, claim: JobClaim) -> None:
    """Keep the repairs of a job that succeeds, in the caller's transaction."""
    fitted = update(FileRow).where(FileRow.job_id == claim.job_id, FileRow.scope == claim.scope)
    fitted = fitted.where(FileRow.name.like(REPAIRED.format("%")), FileRow.sha256.is_not(None))
    session.execute(fitted.values(scope=REPAIRS).execution_options(synchronize_session=False))


def repairs_of(session: Session, root_id: str) -> list[JobFile]:
    """The repairs that are kept of a curve, whichever of its jobs has fitted them; of the same name one."""
    of_curve = select(JobRow.id).where(or_(JobRow.id == root_id, JobRow.root_id == root_id))
    kept = select(FileRow).where(FileRow.job_id.in_(of_curve), FileRow.scope == REPAIRS).order_by(FileRow.blob_key)
    found = {row.name: JobFile(row.name, row.blob_key, row.sha256 or "") for row in session.scalars(kept)}
    return [found[name] for name in sorted(found)]


def forget_repairs(session: Session, job_id: str) -> list[str]:
    """Forget the repairs of a job, in the caller's transaction; returns the keys of their blobs."""
    kept = (FileRow.job_id == job_id, FileRow.scope == REPAIRS)
    keys = [*session.scalars(select(FileRow.blob_key).where(*kept))]
    session.execute(delete(FileRow).where(*kept))
    return keys


def keys_of(session: Session, job_id: str) -> list[str]:
    """Where a job's files lie."""
    return [*session.scalars(select(FileRow.blob_key).where(FileRow.job_id == job_id))]
