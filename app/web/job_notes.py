"""Tags and the note of a job, changed on its page."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Response
from fastapi.responses import RedirectResponse

from app.api.deps import JobId, Services
from app.teams.scopes import Scope
from app.web.note_fields import notes_of
from app.web.rendering import HEADERS
from app.web.routing import PageRouter
from app.web.sessions import PageUser, form_access
from primesvt_client.schemas.jobs import LONGEST_NOTE

router = PageRouter("/jobs")


@router.post("/{job_id}/notes")
def change_notes(
    job_id: JobId,
    user: Annotated[PageUser, form_access(Scope.JOBS_WRITE)],
    services: Services,
    tags: Annotated[str, Form(max_length=1000)] = "",
    note: Annotated[str, Form(max_length=2 * LONGEST_NOTE)] = "",
) -> Response:
    """Change the tags and the note of a job."""
    typed = notes_of({"tags": tags, "note": note})
    services.upkeep.describe(user.team_id, job_id, tags=typed["tags"], note=typed["note"])
    return RedirectResponse(f"/jobs/{job_id}", 303, HEADERS)
