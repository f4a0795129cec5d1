"""Large files that a job's attempts hand on to each other through the blob store, and artifacts until they are listed.

Every blob is written down before it is stored and read only once all of it is there, so that none is lost sight of,
whenever a worker dies.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.db import Database
from app.jobs.cell_models import FileRow
from app.jobs.claims import lock_claimed
from app.jobs.models import JobRow
from app.jobs.records import JobClaim
from app.jobs.states import TERMINAL

AT_ONCE = 100
ARTIFACTS = "artifacts"
"""Scope of files that are no attempt's memory, but what comes of the job."""


@dataclass(frozen=True)
class JobFile:
    """One file: its name in the workspace, and where it lies."""

    name: str
    blob_key: str
    sha256: str


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

    def finish(self, claim: JobClaim, key: str, sha256: str) -> list[str]:
        """All of it is stored; returns the keys of earlier versions, which are to be deleted.

        Raises:
            LostClaim: the job is another's.
        """
        with self.database.session() as session:
            lock_claimed(session, claim)
            row = session.get_one(FileRow, key)
            row.sha256 = sha256
            same = (FileRow.job_id == row.job_id, FileRow.scope == row.scope, FileRow.name == row.name)
            return [*session.scalars(select(FileRow.blob_key).where(*same, FileRow.blob_key != key))]

    def left_over(self) -> list[str]:
        """Keys of some files whose jobs are over."""
        over = [state.value for state in TERMINAL]
        with self.database.session() as session:
            found = select(FileRow.blob_key).join(JobRow, JobRow.id == FileRow.job_id).where(JobRow.state.in_(over))
            return [*session.scalars(found.limit(AT_ONCE))]

    def forget(self, keys: list[str]) -> None:
        """These blobs are deleted."""
        with self.database.session() as session:
            session.execute(delete(FileRow).where(FileRow.blob_key.in_(keys)))


def listed(session: Session, keys: Collection[str]) -> None:
    """These files are the job's artifacts now, in the caller's transaction: nothing is left over of them."""
    session.execute(delete(FileRow).where(FileRow.blob_key.in_(keys)))


def keys_of(session: Session, job_id: str) -> list[str]:
    """Where a job's files lie."""
    return [*session.scalars(select(FileRow.blob_key).where(FileRow.job_id == job_id))]
