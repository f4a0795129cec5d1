"""What a team's earlier jobs have computed of the same checkpoint on the same images."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import aliased

from app.catalog.models import UploadRow
from app.db import Database
from app.jobs.models import ArtifactRow, JobRow
from app.jobs.records import JobClaim
from app.jobs.states import JobState

NEWEST = 3
"""Jobs whose cells are used: each has taken over what it needed of those before it."""


@dataclass(frozen=True)
class EarlierCells:
    """The file of one job's cells, and where it lies."""

    job_id: str
    blob_key: str
    sha256: str


class EarlierJobs:
    """Finds jobs whose results a job may begin with; of the job's own team alone."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def cells(self, claim: JobClaim, name: str) -> list[EarlierCells]:
        """Files of cells of the team's newest succeeded jobs with inputs of the same bytes, the newest first.

        Args:
            claim: of the job that is to begin with them.
            name: of the artifact.
        """
        if claim.dataset is None or claim.checkpoint.sha256 is None or claim.dataset.sha256 is None:
            return []
        checkpoint, dataset = aliased(UploadRow), aliased(UploadRow)
        team = select(JobRow.team_id).where(JobRow.id == claim.job_id).scalar_subquery()
        found = (
            select(ArtifactRow.job_id, ArtifactRow.blob_key, ArtifactRow.sha256)
            .join(JobRow, JobRow.id == ArtifactRow.job_id)
            .join(checkpoint, checkpoint.id == JobRow.checkpoint_id)
            .join(dataset, dataset.id == JobRow.dataset_id)
            .where(
                ArtifactRow.name == name,
                JobRow.team_id == team,
                JobRow.state == JobState.SUCCEEDED.value,
                JobRow.id != claim.job_id,
                checkpoint.sha256 == claim.checkpoint.sha256,
                dataset.sha256 == claim.dataset.sha256,
            )
            .order_by(JobRow.id.desc())
            .limit(NEWEST)
        )
        with self.database.session() as session:
            return [EarlierCells(*row) for row in session.execute(found)]
