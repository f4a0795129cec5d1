"""Another budget for a finished job: the small form on its page, and the jobs that were made with it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from app.api.deps import Services
from app.jobs.records import Job, ListedJob, NewJob
from app.jobs.states import JobState
from app.paging import LARGEST_PAGE
from app.web.form_fields import BUDGET, FormField
from app.web.form_values import parsed, wanted
from primesvt_client.another_budget import LIMITS, limit_of
from primesvt_core import __version__
from primesvt_core.errors import NotRetargetable
from primesvt_core.report.finished import finished_curve
from primesvt_core.report.schema import Report

FIELDS = {entry.name: entry for entry in BUDGET if entry.name in LIMITS}
"""Inputs of the form: all of the budget that can be another."""


def is_offered(job: Job, report: Report | None) -> bool:
    """Whether another point of the job's curve can be promised."""
    if job.state is not JobState.SUCCEEDED or report is None or report.primesvt_version != __version__:
        return False
    try:
        finished_curve(job.id, report)
    except NotRetargetable:
        return False
    return True


def field_of(spec: Mapping[str, Any]) -> FormField:
    """The input of a job's form: what the job has promised."""
    [name] = limit_of(spec["budget"]) or ["max_accuracy_drop"]
    return FIELDS[name]


def children_of(services: Services, team: str, job: Job) -> Sequence[ListedJob]:
    """The jobs that take another point of the job's curve, newest first."""
    return services.jobs.search(team, limit=LARGEST_PAGE, parent_id=job.id).items


def submit(services: Services, team: str, job_id: str, typed: str, submission: str) -> Job:
    """Queue another budget for a job.

    Args:
        services: of this server.
        team: whose job it is.
        job_id: of the finished job.
        typed: the drop, in points, or the disagreement, in percent.
        submission: of the form, so that a double click is one job.

    Raises:
        ValueError: that is no number; says what belongs there.
        DomainError: the job has no such results any more.
        PrimeSVTError: no such budget can be promised.
    """
    field = field_of(services.jobs.get(team, job_id).spec)
    try:
        allowed = parsed(field.source, typed.strip())
    except (ValueError, OverflowError):
        raise ValueError(f"{typed[:40]!r} is not what belongs here: {wanted(field.source)}.") from None
    new = NewJob(checkpoint_id="", dataset_id="", spec={"budget": {field.name: allowed}}, parent_id=job_id)
    key = hashlib.sha256(f"{submission} {job_id} {allowed}".encode()).hexdigest()
    return services.jobs.submit(team, new, f"form-{key}")
