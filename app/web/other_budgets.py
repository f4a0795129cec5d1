"""Another budget for a finished job: the small form on its page, and the jobs that were made with it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from app.api.deps import Services
from app.jobs.records import Job, ListedJob, NewJob
from app.jobs.states import JobState
from app.paging import LARGEST_PAGE
from app.web.form_fields import BUDGET
from app.web.form_values import parsed, wanted
from primesvt_core import __version__
from primesvt_core.errors import NotRetargetable
from primesvt_core.report.finished import finished_curve
from primesvt_core.report.schema import Report

FIELD = next(entry for entry in BUDGET if entry.name == "max_accuracy_drop")
"""The input of the form: all of the budget that can be another."""


def is_offered(job: Job, report: Report | None) -> bool:
    """Whether another point of the job's curve can be promised."""
    if job.state is not JobState.SUCCEEDED or report is None or report.primesvt_version != __version__:
        return False
    try:
        finished_curve(job.id, report)
    except NotRetargetable:
        return False
    return True


def children_of(services: Services, team: str, job: Job) -> Sequence[ListedJob]:
    """The jobs that take another point of the job's curve, newest first."""
    return services.jobs.search(team, limit=LARGEST_PAGE, parent_id=job.id).items


def submit(services: Services, team: str, job_id: str, typed: str, submission: str) -> Job:
    """Queue another budget for a job.

    Args:
        services: of this server.
        team: whose job it is.
        job_id: of the finished job.
        typed: the drop, in points.
        submission: of the form, so that a double click is one job.

    Raises:
        ValueError: that is no number; says what belongs there.
        DomainError: the job has no such results any more.
        PrimeSVTError: no such budget can be promised.
    """
    try:
        drop = parsed(FIELD.source, typed.strip())
    except (ValueError, OverflowError):
        raise ValueError(f"{typed[:40]!r} is not what belongs here: {wanted(FIELD.source)}.") from None
    new = NewJob(
        checkpoint_id="", dataset_id="", spec={"budget": {"max_accuracy_drop": drop}}, parent_id=job_id
    )  # fmt: skip
    key = hashlib.sha256(f"{submission} {job_id} {drop}".encode()).hexdigest()
    return services.jobs.submit(team, new, f"form-{key}")
