"""Jobs of a team beside each other, with what their reports tell. Every query takes the team."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from pydantic import ValidationError

from app.errors import Invalid, NotFound
from app.jobs.comparison import Compared, Comparison, compare
from app.jobs.listing import JobLists
from app.jobs.records import Job, ListedJob
from app.jobs.service import JobService
from app.jobs.states import JobState
from app.storage import BlobMissing
from primesvt_core.report.schema import Report

log = logging.getLogger(__name__)

FEWEST, MOST = 2, 20
REPORT = "report.json"
LARGEST_REPORT = 16 << 20
"""Bytes of a report that is read for a comparison."""

NO_ACCESS = "its report is not read: that needs the scope artifacts:read"
NOT_OVER = "it has no report: it is {state}"
DELETED = "its report is deleted"
UNREADABLE = "its report is larger than what is compared, or of another version"


class JobComparison:
    """Compares a team's jobs."""

    def __init__(self, jobs: JobService, lists: JobLists) -> None:
        self.jobs, self.lists = jobs, lists

    def of(self, team: str, job_ids: Sequence[str], *, with_reports: bool) -> Comparison:
        """Jobs beside each other, in the order in which they are named.

        Args:
            team: whose they are.
            job_ids: each once; more often counts once.
            with_reports: whether the caller may read what is in artifacts.

        Raises:
            Invalid: they are too few or too many.
            NotFound: the team lacks one of them.
        """
        wanted = [*dict.fromkeys(job_ids)]
        if not FEWEST <= len(wanted) <= MOST:
            raise Invalid(f"{FEWEST} to {MOST} different jobs can be compared, not {len(wanted)}")
        found = self.jobs.many([(team, job_id) for job_id in wanted])
        missing = [job_id for job_id in wanted if (team, job_id) not in found]
        if missing:
            raise NotFound(f"there is no job {missing[0][:60]}")
        names = {one.id: one for one in self.lists.some(team, wanted)}
        return compare(self._compared(team, found[team, one], names.get(one), with_reports) for one in wanted)

    def _compared(self, team: str, job: Job, named: ListedJob | None, with_reports: bool) -> Compared:
        report, note = self._report(team, job) if with_reports else (None, NO_ACCESS)
        return Compared(
            job=job, checkpoint_name=named.checkpoint_name if named else "",
            dataset_name=named.dataset_name if named else "", report=report, note=note,
        )  # fmt: skip

    def _report(self, team: str, job: Job) -> tuple[Report | None, str]:
        """The report of a job, or why it cannot be had."""
        if job.state is not JobState.SUCCEEDED:
            return None, NOT_OVER.format(state=job.state)
        if not job.dataset_id:
            return None, ""  # carried out without data: that report has another form, and no figures
        try:
            artifact = self.jobs.artifact(team, job.id, REPORT)
            if artifact.size_bytes > LARGEST_REPORT:
                return None, UNREADABLE
            return Report.model_validate_json(b"".join(self.jobs.read(artifact))), ""
        except (NotFound, BlobMissing):
            return None, DELETED
        except ValidationError as error:
            log.warning("report_unreadable", extra={"job_id": job.id, "reason": type(error).__name__})
            return None, UNREADABLE
