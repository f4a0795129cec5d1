"""The page of one job: progress, result and files."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Annotated

from fastapi import Form, Query, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse
from pydantic import ValidationError

from app.api.deps import JobId, Services
from app.catalog.records import Upload
from app.db import now
from app.errors import DomainError, NotFound
from app.jobs.records import Job, JobEvent
from app.jobs.states import JobState
from app.storage import BlobMissing
from app.teams.scopes import Scope
from app.web import chart_data, curve, layers, other_budgets, timeline
from app.web.curve import Offer, nothing_offered
from app.web.job import downloads, measurements, remedies, robustness, sentence
from app.web.job.identity import identity
from app.web.job.limits import limits
from app.web.job.log import MOST_LINES, LogLine
from app.web.job.log import lines as log_lines
from app.web.job_list import uploads_of
from app.web.labels import NO_SUMMARY, run_seconds
from app.web.rendering import HEADERS, POLICY, headers, page
from app.web.routing import PageRouter
from app.web.sessions import PageUser, form_access, page_access
from primesvt_client.facts import CheckpointFacts
from primesvt_client.states import Priority
from primesvt_client.verdicts import meaning, title
from primesvt_core.errors import PrimeSVTError
from primesvt_core.report.schema import Report

log = logging.getLogger(__name__)
router = PageRouter("/jobs")

Reader = Annotated[PageUser, page_access(Scope.JOBS_READ, Scope.ARTIFACTS_READ)]
Writer = Annotated[PageUser, form_access(Scope.JOBS_WRITE)]

NOTHING_TYPED: Mapping[str, str] = MappingProxyType({})
WITH_ESTIMATE = (JobState.QUEUED, JobState.RUNNING)
REPORT, READABLE_REPORT = "report.json", "report.html"
SANDBOXED = {
    POLICY: "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'self'",
    "X-Frame-Options": "SAMEORIGIN",
}
"""Header fields of a file that is shown but not trusted: its pictures and styles are inside, all else is refused."""

LARGEST_REPORT = 64 << 20
"""Bytes; a larger report can be downloaded, but is not shown."""


@router.get("/{job_id}")
def show_job(
    job_id: JobId,
    request: Request,
    user: Reader,
    services: Services,
    sort: Annotated[str, Query(max_length=20)] = "",
    max_accuracy_drop: Annotated[str, Query(max_length=40)] = "",
    max_disagreement: Annotated[str, Query(max_length=40)] = "",
) -> Response:
    """One job: progress or result, charts, layers, files and settings; a budget in its address is filled in."""
    asked = {"max_accuracy_drop": max_accuracy_drop, "max_disagreement": max_disagreement}
    return _page(request, user, services, job_id, sort, asked)


def _page(
    request: Request,
    user: PageUser,
    services: Services,
    job_id: str,
    sort: str = "",
    values: Mapping[str, str] = NOTHING_TYPED,
    errors: Mapping[str, str] = NOTHING_TYPED,
) -> Response:
    """The page, with what was typed into the form for another budget, and what is wrong with it."""
    job = services.jobs.get(user.team_id, job_id)
    report = load_report(services, user.team_id, job)
    events = [] if report else all_events(services, user.team_id, job_id)
    uploads = uploads_of(services, user.team_id, [job])
    is_offered = other_budgets.is_offered(job, report)
    may_ask = user.may(Scope.JOBS_WRITE) and (is_offered or user.may(Scope.UPLOADS_WRITE))
    offer = other_budgets.offer_of(job, report, is_offered=is_offered) if report and may_ask else nothing_offered
    charts = _charts(job, report, events, uploads.get(job.checkpoint_id), offer)
    response = page(
        request,
        "job.html",
        422 if errors else 200,
        user=user,
        parent=_parent(services, user.team_id, job),
        children=other_budgets.children_of(services, user.team_id, job),
        another_budget=is_offered,
        may_ask=may_ask,
        budget_field=other_budgets.field_of(job.spec),
        submission=secrets.token_urlsafe(16),
        values=values,
        errors=errors,
        report=report,
        uploads=uploads,
        verdict=title(job.verdict),
        meaning=report.meaning if report else _meaning(job),
        sentence=sentence.of_report(report) if report else sentence.of_summary(job.summary or NO_SUMMARY),
        advice=remedies.advice(job) if job.state is JobState.FAILED else None,
        history=timeline.history(events),
        charts=charts,
        curve=curve.rows(report, offer) if report else (),
        robustness=robustness.table(charts.robustness, charts.lines.most_lost, report),
        identity=identity(job, uploads, report),
        downloads=downloads.in_order(services.jobs.artifacts(user.team_id, job_id)),
        log=_log(services, user.team_id, job_id),
        **_measured(report, sort),
        **_progress(services, user.team_id, job),
    )
    response.headers[POLICY] += "; frame-src 'self'"  # the report, which is in a sandbox
    return response


def _measured(report: Report | None, sort: str) -> dict[str, object]:
    """The tables of a report's layers and measurements."""
    order = sort if sort in layers.ORDERS else layers.FIRST_ORDER
    return {
        "order": order,
        "orders": layers.ORDERS,
        "layers": layers.table(report.layers, order) if report else (),
        "largest": max([1, *(layer.parameter_bytes_before for layer in report.layers)]) if report else 1,
        "limits": limits(report) if report else (),
        "measurements": measurements.measurements(report) if report else (),
        "absent": measurements.absent(report) if report else "",
        "energy_note": measurements.energy_note(report) if report else "",
        "firing_rates": measurements.firing_rates(report) if report else (),
    }


@router.get("/{job_id}/live")
def show_live(job_id: JobId, request: Request, user: Reader, services: Services) -> Response:
    """The part of the page that changes while a job runs; once it has ended, htmx reloads the whole page."""
    job = services.jobs.get(user.team_id, job_id)
    response = page(request, "_live.html", user=user, **_progress(services, user.team_id, job))
    if job.state.is_terminal:
        response.headers["HX-Refresh"] = "true"
    return response


@router.get("/{job_id}/log")
def show_log(job_id: JobId, request: Request, user: Reader, services: Services) -> Response:
    """The lines of the log, which are fetched again while a job runs."""
    return page(request, "_log.html", user=user, log=_log(services, user.team_id, job_id))


@router.get("/{job_id}/report")
def show_report(job_id: JobId, request: Request, user: Reader, services: Services) -> Response:
    """The report to read, as the worker wrote it: in a sandbox, where nothing of it can run or reach this site."""
    artifact = services.jobs.artifact(user.team_id, job_id, READABLE_REPORT)
    content = services.jobs.read(artifact)
    return StreamingResponse(content, 200, {**headers(request), **SANDBOXED}, "text/html; charset=utf-8")


@router.post("/{job_id}/retarget")
def retarget_job(
    job_id: JobId,
    request: Request,
    user: Writer,
    services: Services,
    max_accuracy_drop: Annotated[str, Form(max_length=40)] = "",
    max_disagreement: Annotated[str, Form(max_length=40)] = "",
    submission: Annotated[str, Form(max_length=60)] = "",
) -> Response:
    """Submit another budget for a finished job."""
    typed = {"max_accuracy_drop": max_accuracy_drop, "max_disagreement": max_disagreement}
    field = other_budgets.field_of(services.jobs.get(user.team_id, job_id).spec).name
    try:
        child = other_budgets.submit(services, user.team_id, job_id, typed[field], submission)
    except (ValueError, DomainError, PrimeSVTError) as error:
        told = {field: getattr(error, "message", str(error))}
        return _page(request, user, services, job_id, values=typed, errors=told)
    return RedirectResponse(f"/jobs/{child.id}", 303, HEADERS)


def load_report(services: Services, team: str, job: Job) -> Report | None:
    """The report of a finished job; None if this version cannot read it."""
    if job.state is not JobState.SUCCEEDED or not job.dataset_id:  # without data it has another form
        return None
    try:
        artifact = services.jobs.artifact(team, job.id, REPORT)
        if artifact.size_bytes > LARGEST_REPORT:
            return None
        return Report.model_validate_json(b"".join(services.jobs.read(artifact)))
    except (NotFound, BlobMissing, ValidationError) as error:
        log.warning("report_unreadable", extra={"job_id": job.id, "reason": type(error).__name__})
        return None


def all_events(services: Services, team: str, job_id: str) -> list[JobEvent]:
    """The events of a job so far, up to a limit."""
    events: list[JobEvent] = []
    while len(events) < timeline.MOST_EVENTS:
        more = services.jobs.events(team, job_id, events[-1].id if events else 0, timeline.EVENTS_PER_QUERY)
        events += more
        if len(more) < timeline.EVENTS_PER_QUERY:
            break
    return events


def _parent(services: Services, team: str, job: Job) -> Job | None:
    """The job of whose curve this one takes another point; None if there is none, or none any more."""
    try:
        return services.jobs.get(team, job.parent_id) if job.parent_id else None
    except NotFound:
        return None


def _meaning(job: Job) -> str:
    """What its verdict means, as far as the summary tells."""
    summary = job.summary or NO_SUMMARY
    is_original = summary.parameter_bytes_before == summary.parameter_bytes_after
    return meaning(
        job.verdict or "", is_original=is_original, is_proven=False, has_floor=True,
        by_disagreement=summary.disagreement is not None,
    )  # fmt: skip


def _charts(
    job: Job, report: Report | None, events: list[JobEvent], model: Upload | None, offer: Offer
) -> chart_data.JobCharts:
    if report is not None:
        return chart_data.of_report(report, offer)
    facts = model.facts if model is not None else None
    parameter_bytes = facts.parameter_bytes if isinstance(facts, CheckpointFacts) else None
    lines = chart_data.budget_lines(job.spec.get("budget", {}), parameter_bytes)
    return chart_data.of_events(events, lines)


def _progress(services: Services, team: str, job: Job) -> dict[str, object]:
    """The part of the page that changes while a job runs."""
    estimate = services.estimates.of(team, job.id) if job.state in WITH_ESTIMATE else None
    left = estimate.ends_in_seconds if estimate is not None else None
    return {
        "job": job,
        "estimate": estimate,
        "ends_at": None if left is None else now() + timedelta(seconds=left),
        "priorities": [*Priority],
        "steps": timeline.step_lines(job),
        "current": timeline.current_step(job),
        "seconds": run_seconds(job.started_at, job.finished_at, now()),
    }


def _log(services: Services, team: str, job_id: str) -> tuple[LogLine, ...]:
    return log_lines(services.jobs.recent_events(team, job_id, MOST_LINES))
