"""The page of one job: how far it has come, and what it made."""

from __future__ import annotations

import logging
from typing import Annotated

from fastapi import Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from app.api.deps import Found, JobId
from app.catalog.records import Upload
from app.db import now
from app.errors import NotFound
from app.jobs.records import Job, JobEvent
from app.jobs.states import JobState
from app.services import Services
from app.storage import BlobMissing
from app.teams.scopes import Scope
from app.web import curves, layers, plots, timeline
from app.web.job_list import uploads_of
from app.web.labels import VERDICTS, run_seconds
from app.web.rendering import HEADERS, page
from app.web.routing import Pages
from app.web.sessions import Visitor, looks, sends_form
from primesvt_client.facts import CheckpointFacts
from primesvt_client.states import Priority
from primesvt_core.report.schema import Report

log = logging.getLogger(__name__)
router = Pages("/jobs")

Reader = Annotated[Visitor, looks(Scope.JOBS_READ, Scope.ARTIFACTS_READ)]
Writer = Annotated[Visitor, sends_form(Scope.JOBS_WRITE)]

ESTIMATED = (JobState.QUEUED, JobState.RUNNING)
REPORT = "report.json"
LARGEST_REPORT = 64 << 20
"""Bytes; a report beyond this is offered for download but not drawn."""


@router.get("/{job_id}")
def show_job(
    job_id: JobId, request: Request, who: Reader, found: Found, sort: Annotated[str, Query(max_length=20)] = ""
) -> Response:
    """Everything about one job."""
    job = found.jobs.get(who.team_id, job_id)
    report = load_report(found, who.team_id, job)
    events = [] if report else all_events(found, who.team_id, job_id)
    uploads = uploads_of(found, who.team_id, [job])
    drawn = _curves(job, report, events, uploads.get(job.checkpoint_id))
    order = sort if sort in layers.ORDERS else layers.FIRST_ORDER
    return page(
        request,
        "job.html",
        visitor=who,
        report=report,
        uploads=uploads,
        verdict=VERDICTS.get(job.verdict or ""),
        history=timeline.history(events),
        curves=drawn.to_json(),
        plots={"robustness": plots.robustness(drawn), "accuracy_memory": plots.accuracy_memory(drawn)},
        layers=layers.table(report.layers, order) if report else (),
        largest=max((layer.parameter_bytes_before for layer in report.layers), default=0) if report else 0,
        order=order,
        orders=layers.ORDERS,
        artifacts=found.jobs.artifacts(who.team_id, job_id),
        **_now(found, who.team_id, job),
    )


@router.get("/{job_id}/live")
def show_live(job_id: JobId, request: Request, who: Reader, found: Found) -> Response:
    """The part of the page that changes while a job runs; once it is over, the whole page is asked for anew."""
    job = found.jobs.get(who.team_id, job_id)
    response = page(request, "_live.html", visitor=who, **_now(found, who.team_id, job))
    if job.state.is_terminal:
        response.headers["HX-Refresh"] = "true"
    return response


@router.post("/{job_id}/cancel")
def cancel_job(job_id: JobId, who: Writer, found: Found) -> Response:
    """Stop a job."""
    found.jobs.cancel(who.team_id, job_id)
    return RedirectResponse(f"/jobs/{job_id}", 303, HEADERS)


@router.post("/{job_id}/priority")
def prioritise_job(job_id: JobId, who: Writer, found: Found, priority: Annotated[Priority, Form()]) -> Response:
    """Let a waiting job go before or behind the team's others."""
    found.jobs.prioritise(who.team_id, job_id, priority)
    return RedirectResponse(f"/jobs/{job_id}", 303, HEADERS)


@router.post("/{job_id}/retry")
def retry_job(job_id: JobId, who: Writer, found: Found) -> Response:
    """Try again, as a new job."""
    return RedirectResponse(f"/jobs/{found.jobs.retry(who.team_id, job_id).id}", 303, HEADERS)


@router.post("/{job_id}/delete")
def delete_job(job_id: JobId, who: Writer, found: Found) -> Response:
    """Forget a job and its files."""
    found.jobs.delete(who.team_id, job_id)
    return RedirectResponse("/", 303, HEADERS)


def load_report(found: Services, team: str, job: Job) -> Report | None:
    """The report of a finished job; None if there is none that this version can draw."""
    if job.state is not JobState.SUCCEEDED:
        return None
    try:
        artifact = found.jobs.artifact(team, job.id, REPORT)
        if artifact.size_bytes > LARGEST_REPORT:
            return None
        return Report.model_validate_json(b"".join(found.jobs.read(artifact)))
    except (NotFound, BlobMissing, ValidationError) as error:
        log.warning("report_unreadable", extra={"job_id": job.id, "reason": type(error).__name__})
        return None


def all_events(found: Services, team: str, job_id: str) -> list[JobEvent]:
    """What a job has told so far, up to a limit."""
    events: list[JobEvent] = []
    while len(events) < timeline.MOST_EVENTS:
        more = found.jobs.events(team, job_id, events[-1].id if events else 0, timeline.EVENTS_A_QUERY)
        events += more
        if len(more) < timeline.EVENTS_A_QUERY:
            break
    return events


def _curves(job: Job, report: Report | None, events: list[JobEvent], model: Upload | None) -> curves.Curves:
    if report is not None:
        return curves.of_report(report)
    facts = model.facts if model is not None else None
    known = facts.parameter_bytes if isinstance(facts, CheckpointFacts) else None
    lines = curves.asked_for(job.spec.get("budget", {}), known)
    return curves.of_events(events, lines)


def _now(found: Services, team: str, job: Job) -> dict[str, object]:
    """What changes while a job runs."""
    return {
        "job": job,
        "estimate": found.estimates.of(team, job.id) if job.state in ESTIMATED else None,
        "priorities": [*Priority],
        "lines": timeline.lines(job),
        "meter": timeline.meter(job),
        "seconds": run_seconds(job.started_at, job.finished_at, now()),
    }
