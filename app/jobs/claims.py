"""Whether a claim still holds: asked under the job's lock, in the transaction that writes."""

from __future__ import annotations

from sqlalchemy.orm import Session

from app.errors import LostClaim
from app.jobs.models import JobRow
from app.jobs.records import JobClaim
from app.jobs.states import HELD, JobState


def lock_claimed(session: Session, claim: JobClaim) -> JobRow:
    """The job's row, locked.

    Raises:
        LostClaim: another has taken over, or the job is over.
    """
    row = session.get(JobRow, claim.job_id, with_for_update=True)
    if row is None or row.owner != claim.owner or row.epoch != claim.epoch or JobState(row.state) not in HELD:
        raise LostClaim(f"the claim {claim.epoch} on job {claim.job_id} does not hold any more")
    return row
