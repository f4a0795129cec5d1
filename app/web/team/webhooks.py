"""A team's webhooks: the list, and making one."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Request, Response

from app.api.deps import Found
from app.errors import Conflict, DomainError, Invalid
from app.services import Services
from app.teams.scopes import Scope
from app.web.routing import Pages
from app.web.sessions import Visitor, looks, sends_form
from app.web.team.tabs import WEBHOOKS, team_page
from app.webhooks.models import LONGEST_URL
from app.webhooks.records import WithSecret
from app.webhooks.states import EventType
from primesvt_client.spec import TEXT

router = Pages(WEBHOOKS.address)

Reader = Annotated[Visitor, looks(Scope.WEBHOOKS_READ)]
Writer = Annotated[Visitor, sends_form(Scope.WEBHOOKS_WRITE)]

Url = Annotated[str, Form(max_length=LONGEST_URL, pattern=TEXT)]
Description = Annotated[str, Form(max_length=200, pattern=TEXT)]
Events = Annotated[tuple[EventType, ...], Form()]


def some(events: tuple[EventType, ...]) -> None:
    """Make sure that something was chosen.

    Raises:
        Invalid: nothing was.
    """
    if not events:
        raise Invalid("a webhook hears of at least one thing; choose what")


@router.get("")
def show_webhooks(request: Request, who: Reader, found: Found) -> Response:
    """The addresses that are told what happens."""
    return _webhooks(request, who, found)


def _webhooks(
    request: Request,
    who: Visitor,
    found: Services,
    error: DomainError | None = None,
    typed: tuple[str, str, tuple[EventType, ...]] = ("", "", tuple(EventType)),
    made: WithSecret | None = None,
) -> Response:
    hooks, (url, description, chosen) = found.webhooks.all(who.team_id), typed
    return team_page(
        request, "webhooks.html", who, WEBHOOKS, error,
        hooks=hooks, events=[*EventType], url=url, description=description, chosen=chosen, made=made,
    )  # fmt: skip


@router.post("")
def create(
    request: Request, who: Writer, found: Found, url: Url = "", description: Description = "", events: Events = ()
) -> Response:
    """Have an address told; the secret that signs is shown this once."""
    try:
        some(events)
        made = found.webhooks.create(who.team_id, url.strip(), events, description.strip())
    except (Invalid, Conflict) as error:
        return _webhooks(request, who, found, error, (url, description, events))
    return _webhooks(request, who, found, made=made)
