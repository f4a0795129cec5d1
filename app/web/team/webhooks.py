"""A team's webhooks: list and create."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Request, Response

from app.api.deps import Services
from app.errors import Conflict, DomainError, Invalid
from app.teams.scopes import Scope
from app.web.routing import PageRouter
from app.web.sessions import PageUser, form_access, page_access
from app.web.team.tabs import WEBHOOKS, team_page
from app.webhooks.models import LONGEST_URL
from app.webhooks.queue import GIVE_UP
from app.webhooks.records import WithSecret
from app.webhooks.states import EventType
from primesvt_client.spec_types import TEXT

router = PageRouter(WEBHOOKS.path)

Reader = Annotated[PageUser, page_access(Scope.WEBHOOKS_READ)]
Writer = Annotated[PageUser, form_access(Scope.WEBHOOKS_WRITE)]

Url = Annotated[str, Form(max_length=LONGEST_URL, pattern=TEXT)]
Description = Annotated[str, Form(max_length=200, pattern=TEXT)]
Events = Annotated[tuple[EventType, ...], Form()]


def require_events(events: tuple[EventType, ...]) -> None:
    """Make sure that at least one event is chosen.

    Raises:
        Invalid: none is.
    """
    if not events:
        raise Invalid("choose at least one event")


@router.get("")
def show_webhooks(request: Request, user: Reader, services: Services) -> Response:
    """The team's webhooks."""
    return _webhooks(request, user, services)


def _webhooks(
    request: Request,
    user: PageUser,
    services: Services,
    error: DomainError | None = None,
    typed: tuple[str, str, tuple[EventType, ...]] = ("", "", tuple(EventType)),
    created: WithSecret | None = None,
) -> Response:
    hooks, (url, description, chosen) = services.webhooks.all(user.team_id), typed
    return team_page(
        request, "webhooks.html", user, WEBHOOKS, error,
        hooks=hooks, events=[*EventType], url=url, description=description, chosen=chosen, created=created,
        give_up_days=GIVE_UP.days,
    )  # fmt: skip


@router.post("")
def create(
    request: Request,
    user: Writer,
    services: Services,
    url: Url = "",
    description: Description = "",
    events: Events = (),
) -> Response:
    """Create a webhook; its signing secret is shown only once."""
    try:
        require_events(events)
        created = services.webhooks.create(user.team_id, url.strip(), events, description.strip())
    except (Invalid, Conflict) as error:
        return _webhooks(request, user, services, error, (url, description, events))
    return _webhooks(request, user, services, created=created)
