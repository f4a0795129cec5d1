"""What the buttons on the page of a job do: cancel, change the priority, try again, delete."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Response
from fastapi.responses import RedirectResponse

from app.api.deps import JobId, Services
from app.teams.scopes import Scope
from app.web.rendering import HEADERS
from app.web.routing import PageRouter
from app.web.sessions import PageUser, form_access
from primesvt_client.states import Priority

router = PageRouter("/jobs")

Writer = Annotated[PageUser, form_access(Scope.JOBS_WRITE)]


@router.post("/{job_id}/cancel")
def cancel_job(job_id: JobId, user: Writer, services: Services) -> Response:
    """Cancel a job."""
    services.jobs.cancel(user.team_id, job_id)
    return RedirectResponse(f"/jobs/{job_id}", 303, HEADERS)


@router.post("/{job_id}/priority")
def prioritise_job(job_id: JobId, user: Writer, services: Services, priority: Annotated[Priority, Form()]) -> Response:
    """Change the priority of a queued job."""
    services.jobs.prioritise(user.team_id, job_id, priority)
    return RedirectResponse(f"/jobs/{job_id}", 303, HEADERS)


@router.post("/{job_id}/retry")
def retry_job(job_id: JobId, user: Writer, services: Services) -> Response:
    """Retry as a new job."""
    return RedirectResponse(f"/jobs/{services.jobs.retry(user.team_id, job_id).id}", 303, HEADERS)


@router.post("/{job_id}/delete")
def delete_job(job_id: JobId, user: Writer, services: Services) -> Response:
    """Delete a job and its files."""
    services.jobs.delete(user.team_id, job_id)
    return RedirectResponse("/", 303, HEADERS)
