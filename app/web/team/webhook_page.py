"""One webhook: its settings, its deliveries, and resending them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from app.api.deps import DeliveryId, Services, WebhookId
from app.db import now
from app.errors import Conflict, DomainError, Invalid
from app.teams.scopes import Scope
from app.web.rendering import HEADERS, is_fragment, page
from app.web.routing import PageRouter
from app.web.sessions import PageUser, form_access, page_access
from app.web.team.tabs import WEBHOOKS, team_page
from app.web.team.webhooks import Description, Events, Url, require_events
from app.webhooks.queue import GIVE_UP
from app.webhooks.records import WithSecret
from app.webhooks.service import Changes
from app.webhooks.states import DeliveryState, EventType

router = PageRouter(WEBHOOKS.path + "/{webhook_id}")

Reader = Annotated[PageUser, page_access(Scope.WEBHOOKS_READ)]
Writer = Annotated[PageUser, form_access(Scope.WEBHOOKS_WRITE)]

DELIVERIES_PER_PAGE = 25
RESEND_WITHIN = timedelta(days=30)
"""As long as deliveries are kept."""

STATES = {"": None, **{state.value: state for state in DeliveryState}}


@router.get("")
def show_webhook(
    webhook_id: WebhookId,
    request: Request,
    user: Reader,
    services: Services,
    state: Annotated[str, Query(max_length=20)] = "",
    cursor: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """The webhook and its deliveries, newest first; htmx gets only the deliveries."""
    listed = _deliveries(services, user.team_id, webhook_id, state, cursor)
    if is_fragment(request):
        return page(request, "team/_deliveries.html", user=user, **listed)
    return _webhook(request, user, services, webhook_id, listed=listed)


def _webhook(
    request: Request,
    user: PageUser,
    services: Services,
    webhook_id: str,
    error: DomainError | None = None,
    created: WithSecret | None = None,
    listed: dict[str, object] | None = None,
) -> Response:
    context = listed or _deliveries(services, user.team_id, webhook_id, "", "")
    return team_page(request, "webhook.html", user, WEBHOOKS, error, events=[*EventType], created=created, **context)


def _deliveries(services: Services, team: str, webhook_id: str, state: str, cursor: str) -> dict[str, object]:
    hook = services.webhooks.get(team, webhook_id)
    chosen = STATES.get(state)
    listed = services.webhooks.deliveries(team, webhook_id, chosen, cursor or None, DELIVERIES_PER_PAGE)
    query = {"state": chosen.value} if chosen else {}
    return {
        "hook": hook,
        "give_up_days": GIVE_UP.days,
        "deliveries": listed.items,
        "state": query.get("state", ""),
        "states": [*DeliveryState],
        "here": _url(webhook_id, query, cursor),
        "first": _url(webhook_id, query, "") if cursor else "",
        "next_page": _url(webhook_id, query, listed.next_cursor) if listed.next_cursor else "",
        "pause": "3s" if any(one.state is DeliveryState.PENDING for one in listed.items) else "20s",
    }


def _url(webhook_id: str, query: dict[str, str], cursor: str) -> str:
    encoded = urlencode({**query, "cursor": cursor} if cursor else query)
    return f"{WEBHOOKS.path}/{webhook_id}{'?' if encoded else ''}{encoded}"


@router.post("/change")
def change(
    webhook_id: WebhookId,
    request: Request,
    user: Writer,
    services: Services,
    url: Url = "",
    description: Description = "",
    events: Events = (),
) -> Response:
    """Change the URL, the description or the events."""
    try:
        require_events(events)
        changes = Changes(url=url.strip(), description=description.strip(), events=events)
        services.webhooks.change(user.team_id, webhook_id, changes)
    except Invalid as error:
        return _webhook(request, user, services, webhook_id, error)
    return _redirect(webhook_id)


@router.post("/switch")
def switch(webhook_id: WebhookId, user: Writer, services: Services, on: Annotated[bool, Form()]) -> Response:
    """Enable or disable; enabling resets the failures."""
    services.webhooks.change(user.team_id, webhook_id, Changes(enabled=on))
    return _redirect(webhook_id)


@router.post("/rotate")
def rotate(webhook_id: WebhookId, request: Request, user: Writer, services: Services) -> Response:
    """Create a new secret, shown only once."""
    return _webhook(request, user, services, webhook_id, created=services.webhooks.rotate(user.team_id, webhook_id))


@router.post("/delete")
def delete(webhook_id: WebhookId, user: Writer, services: Services) -> Response:
    """Delete the webhook and its deliveries."""
    services.webhooks.delete(user.team_id, webhook_id)
    return RedirectResponse(WEBHOOKS.path, 303, HEADERS)


@router.post("/ping")
def ping(webhook_id: WebhookId, request: Request, user: Writer, services: Services) -> Response:
    """Send a test event."""
    try:
        services.webhooks.ping(user.team_id, webhook_id)
    except Conflict as error:
        return _webhook(request, user, services, webhook_id, error)
    return _redirect(webhook_id)


@router.post("/replay")
def replay_failed(webhook_id: WebhookId, request: Request, user: Writer, services: Services) -> Response:
    """Resend all failed deliveries."""
    try:
        services.webhooks.replay_failed(user.team_id, webhook_id, now() - RESEND_WITHIN)
    except Conflict as error:
        return _webhook(request, user, services, webhook_id, error)
    return _redirect(webhook_id)


@router.get("/deliveries/{delivery_id}")
def show_delivery(
    webhook_id: WebhookId, delivery_id: DeliveryId, request: Request, user: Reader, services: Services
) -> Response:
    """One delivery and its attempts."""
    return _delivery(request, user, services, webhook_id, delivery_id)


def _delivery(
    request: Request,
    user: PageUser,
    services: Services,
    webhook_id: str,
    delivery_id: str,
    error: Conflict | None = None,
) -> Response:
    hook = services.webhooks.get(user.team_id, webhook_id)
    delivery = services.webhooks.delivery(user.team_id, webhook_id, delivery_id)
    return team_page(request, "delivery.html", user, WEBHOOKS, error, hook=hook, delivery=delivery)


@router.post("/deliveries/{delivery_id}/replay")
def replay(
    webhook_id: WebhookId, delivery_id: DeliveryId, request: Request, user: Writer, services: Services
) -> Response:
    """Resend one delivery, under the same id."""
    try:
        services.webhooks.replay(user.team_id, webhook_id, delivery_id)
    except Conflict as error:
        return _delivery(request, user, services, webhook_id, delivery_id, error)
    return RedirectResponse(f"{WEBHOOKS.path}/{webhook_id}/deliveries/{delivery_id}", 303, HEADERS)


def _redirect(webhook_id: str) -> Response:
    return RedirectResponse(_url(webhook_id, {}, ""), 303, HEADERS)
