"""What is known of a job before it is queued: what its uploads allow, and how long such jobs of the team took."""

from __future__ import annotations

from dataclasses import dataclass, replace

from app.jobs.records import NewJob
from app.jobs.service import JobService
from app.workers.estimates import Estimates
from primesvt_core.preflight import Preflight


@dataclass(frozen=True)
class PreflightService:
    """Looks at jobs that are not queued."""

    jobs: JobService
    estimates: Estimates

    def of(self, team: str, new: NewJob) -> Preflight:
        """What is known of a job of the team's; nothing is queued.

        Raises:
            SpecError: the constraint spec is wrong.
            NotFound: the team has no such upload.
            UploadNotReady: an upload was rejected or has expired.
        """
        asked = self.jobs.resolved(team, new)
        found = self.jobs.preflight(team, asked)
        estimate = self.estimates.of_new(team, asked)
        notes = (f"No estimate of the time: {estimate.reason}.",) if estimate.reason else ()
        return replace(found, estimated_seconds=estimate.ends_in_seconds, notes=(*found.notes, *notes))
