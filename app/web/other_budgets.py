"""Another budget for a finished job: the small form on its page, and the jobs that were made with it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from app.api.deps import Services
from app.jobs.records import Job, ListedJob, NewJob
from app.jobs.states import JobState
from app.paging import LARGEST_PAGE
from app.web.curve import Offer, bound_of
from app.web.form_fields import BUDGET, FormField
from app.web.form_values import parsed, wanted
from primesvt_client.another_budget import LIMITS, limit_of
from primesvt_core import __version__
from primesvt_core.errors import NotRetargetable
from primesvt_core.promise.family import joint_confidence
from primesvt_core.promise.provable import smallest_provable
from primesvt_core.report.finished import finished_curve
from primesvt_core.report.schema import CurveFigures, Report

FINEST = 0.01
"""Of a limit that is offered, in points or percent; the next one above what is needed."""

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


def offer_of(job: Job, report: Report, *, is_offered: bool) -> Offer:
    """What another budget needs for a point of the curve, and where it is asked for.

    Where the curve cannot be promised anew, that is the form of a new job like this one.
    """
    name = field_of(job.spec).name
    width, least = _width(report), _least(report, is_offered=is_offered)

    def offer(point: CurveFigures) -> tuple[str, str]:
        if not point.rates or job.plan is not None:
            return "", ""
        bound = None if is_offered else bound_of(report, point)  # all bounds of the curve together are wider
        lost = point.loss if point.confirmed_loss is None else point.confirmed_loss
        needed = max(max(lost, 0.0) + max(width, least) if bound is None else bound, least)
        if not 0 < needed < 1:
            return "", ""
        limit = f"{math.ceil(round(100 * needed / FINEST, 6)) * FINEST:.2f}"
        if is_offered:
            return limit, f"/jobs/{job.id}?{urlencode({name: limit})}#another-budget"
        return limit, f"/new?{urlencode({'like': job.id, name: limit})}"

    return offer


def _width(report: Report) -> float:
    """By how much bounds exceed what was measured: what a point that was not tested may need on top."""
    tested = [(bound_of(report, point), point.confirmed_loss) for point in report.curve]
    widths = [bound - lost for bound, lost in tested if bound is not None and lost is not None]
    return max(widths, default=0.0)


def _least(report: Report, *, is_offered: bool) -> float:
    """The smallest limit that the confirmation images can prove; of the curve, for all of its points together."""
    points, confidence = sum(1 for point in report.curve if point.rates), report.spec.confidence
    wanted = joint_confidence(confidence, max(points, 1)) if is_offered else confidence
    return smallest_provable(max(report.confirmation.samples, 1), wanted, by_disagreement=report.by_disagreement)


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
