"""One webhook: its settings, its delivery log, and sending again."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from app.api.deps import DeliveryId, Found, WebhookId
from app.db import now
from app.errors import Conflict, DomainError, Invalid
from app.services import Services
from app.teams.scopes import Scope
from app.web.rendering import HEADERS, is_fragment, page
from app.web.routing import Pages
from app.web.sessions import Visitor, looks, sends_form
from app.web.team.tabs import WEBHOOKS, team_page
from app.web.team.webhooks import Description, Events, Url, some
from app.webhooks.records import WithSecret
from app.webhooks.service import Changes
from app.webhooks.states import DeliveryState, EventType

router = Pages(WEBHOOKS.address + "/{webhook_id}")

Reader = Annotated[Visitor, looks(Scope.WEBHOOKS_READ)]
Writer = Annotated[Visitor, sends_form(Scope.WEBHOOKS_WRITE)]

DELIVERIES_A_PAGE = 25
REPLAY = timedelta(days=30)
"""As long as deliveries are kept."""

STATES = {"": None, **{state.value: state for state in DeliveryState}}


@router.get("")
def show_webhook(
    webhook_id: WebhookId,
    request: Request,
    who: Reader,
    found: Found,
    state: Annotated[str, Query(max_length=20)] = "",
    cursor: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """The webhook and what it was told, newest first; htmx gets the log alone."""
    listed = _deliveries(found, who.team_id, webhook_id, state, cursor)
    if is_fragment(request):
        return page(request, "team/_deliveries.html", visitor=who, **listed)
    return _webhook(request, who, found, webhook_id, listed=listed)


def _webhook(
    request: Request,
    who: Visitor,
    found: Services,
    webhook_id: str,
    error: DomainError | None = None,
    made: WithSecret | None = None,
    listed: dict[str, object] | None = None,
) -> Response:
    context = listed or _deliveries(found, who.team_id, webhook_id, "", "")
    return team_page(request, "webhook.html", who, WEBHOOKS, error, events=[*EventType], made=made, **context)


def _deliveries(found: Services, team: str, webhook_id: str, state: str, cursor: str) -> dict[str, object]:
    hook = found.webhooks.get(team, webhook_id)
    chosen = STATES.get(state)
    listed = found.webhooks.deliveries(team, webhook_id, chosen, cursor or None, DELIVERIES_A_PAGE)
    asked = {"state": chosen.value} if chosen else {}
    return {
        "hook": hook,
        "deliveries": listed.items,
        "state": asked.get("state", ""),
        "states": [*DeliveryState],
        "here": _address(webhook_id, asked, cursor),
        "first": _address(webhook_id, asked, "") if cursor else "",
        "following": _address(webhook_id, asked, listed.next_cursor) if listed.next_cursor else "",
        "pause": "3s" if any(one.state is DeliveryState.PENDING for one in listed.items) else "20s",
    }


def _address(webhook_id: str, asked: dict[str, str], cursor: str) -> str:
    query = urlencode({**asked, "cursor": cursor} if cursor else asked)
    return f"{WEBHOOKS.address}/{webhook_id}{'?' if query else ''}{query}"


@router.post("/change")
def change(
    webhook_id: WebhookId,
    request: Request,
    who: Writer,
    found: Found,
    url: Url = "",
    description: Description = "",
    events: Events = (),
) -> Response:
    """Another address, description or choice of events."""
    try:
        some(events)
        changes = Changes(url=url.strip(), description=description.strip(), events=events)
        found.webhooks.change(who.team_id, webhook_id, changes)
    except Invalid as error:
        return _webhook(request, who, found, webhook_id, error)
    return _back(webhook_id)


@router.post("/switch")
def switch(webhook_id: WebhookId, who: Writer, found: Found, on: Annotated[bool, Form()]) -> Response:
    """Turn it on or off; turned on again, nothing is held against it."""
    found.webhooks.change(who.team_id, webhook_id, Changes(enabled=on))
    return _back(webhook_id)


@router.post("/rotate")
def rotate(webhook_id: WebhookId, request: Request, who: Writer, found: Found) -> Response:
    """A new secret, shown this once."""
    return _webhook(request, who, found, webhook_id, made=found.webhooks.rotate(who.team_id, webhook_id))


@router.post("/delete")
def delete(webhook_id: WebhookId, who: Writer, found: Found) -> Response:
    """Forget the webhook and what it was told."""
    found.webhooks.delete(who.team_id, webhook_id)
    return RedirectResponse(WEBHOOKS.address, 303, HEADERS)


@router.post("/ping")
def ping(webhook_id: WebhookId, request: Request, who: Writer, found: Found) -> Response:
    """Send a message that says nothing, to try the way."""
    try:
        found.webhooks.ping(who.team_id, webhook_id)
    except Conflict as error:
        return _webhook(request, who, found, webhook_id, error)
    return _back(webhook_id)


@router.post("/replay")
def replay_failed(webhook_id: WebhookId, request: Request, who: Writer, found: Found) -> Response:
    """Send all messages again that have failed."""
    try:
        found.webhooks.replay_failed(who.team_id, webhook_id, now() - REPLAY)
    except Conflict as error:
        return _webhook(request, who, found, webhook_id, error)
    return _back(webhook_id)


@router.get("/deliveries/{delivery_id}")
def show_delivery(
    webhook_id: WebhookId, delivery_id: DeliveryId, request: Request, who: Reader, found: Found
) -> Response:
    """One message, and every attempt at it."""
    return _delivery(request, who, found, webhook_id, delivery_id)


def _delivery(
    request: Request, who: Visitor, found: Services, webhook_id: str, delivery_id: str, error: Conflict | None = None
) -> Response:
    hook = found.webhooks.get(who.team_id, webhook_id)
    delivery = found.webhooks.delivery(who.team_id, webhook_id, delivery_id)
    return team_page(request, "delivery.html", who, WEBHOOKS, error, hook=hook, delivery=delivery)


@router.post("/deliveries/{delivery_id}/replay")
def replay(webhook_id: WebhookId, delivery_id: DeliveryId, request: Request, who: Writer, found: Found) -> Response:
    """Send one message again, under the same id."""
    try:
        found.webhooks.replay(who.team_id, webhook_id, delivery_id)
    except Conflict as error:
        return _delivery(request, who, found, webhook_id, delivery_id, error)
    return RedirectResponse(f"{WEBHOOKS.address}/{webhook_id}/deliveries/{delivery_id}", 303, HEADERS)


def _back(webhook_id: str) -> Response:
    return RedirectResponse(_address(webhook_id, {}, ""), 303, HEADERS)
