"""Webhooks and their deliveries."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.api.body_limits import BoundedRoute
from app.api.deps import DeliveryId, Services, WebhookId, needs
from app.api.openapi import with_headers
from app.api.problem import responses
from app.paging import LARGEST_PAGE
from app.teams.records import Principal
from app.teams.scopes import Scope
from app.webhooks.records import WithSecret
from app.webhooks.service import Changes
from app.webhooks.states import DeliveryState
from primesvt_client.schemas.webhooks import (
    DeliveryLog,
    DeliveryPage,
    DeliveryView,
    NewWebhook,
    Replayed,
    ReplaySince,
    WebhookChanges,
    Webhooks,
    WebhookView,
    WebhookWithSecret,
)

router = APIRouter(
    prefix="/api/v1/webhooks", tags=["webhooks"], responses=responses(401, 422), route_class=BoundedRoute
)

Reader = Annotated[Principal, needs(Scope.WEBHOOKS_READ)]
Writer = Annotated[Principal, needs(Scope.WEBHOOKS_WRITE)]

LOCATED = with_headers(201, Location="URL of the webhook.")


def _with_secret(created: WithSecret) -> WebhookWithSecret:
    return WebhookWithSecret(**WebhookView.model_validate(created.webhook).model_dump(), secret=created.secret)


@router.post("", status_code=201, responses={**LOCATED, **responses(400, 409, 413, 415)})
def create_webhook(body: NewWebhook, caller: Writer, services: Services, response: Response) -> WebhookWithSecret:
    """Create a webhook, which sends events to a URL. The secret is shown only once."""
    created = services.webhooks.create(caller.team_id, body.url, body.events, body.description)
    response.headers["Location"] = f"{router.prefix}/{created.webhook.id}"
    return _with_secret(created)


@router.get("")
def list_webhooks(caller: Reader, services: Services) -> Webhooks:
    """List the team's webhooks."""
    return Webhooks(items=[WebhookView.model_validate(hook) for hook in services.webhooks.all(caller.team_id)])


@router.get("/{webhook_id}", responses=responses(404))
def get_webhook(webhook_id: WebhookId, caller: Reader, services: Services) -> WebhookView:
    """Get one webhook."""
    return WebhookView.model_validate(services.webhooks.get(caller.team_id, webhook_id))


@router.patch("/{webhook_id}", responses=responses(400, 404, 413, 415))
def change_webhook(webhook_id: WebhookId, body: WebhookChanges, caller: Writer, services: Services) -> WebhookView:
    """Change the URL or the events, disable or enable."""
    return WebhookView.model_validate(
        services.webhooks.change(caller.team_id, webhook_id, Changes(**body.model_dump()))
    )  # fmt: skip


@router.delete("/{webhook_id}", status_code=204, responses=responses(404))
def delete_webhook(webhook_id: WebhookId, caller: Writer, services: Services) -> None:
    """Delete a webhook and its deliveries."""
    services.webhooks.delete(caller.team_id, webhook_id)


@router.post("/{webhook_id}/rotate", responses=responses(404))
def rotate_webhook_secret(webhook_id: WebhookId, caller: Writer, services: Services) -> WebhookWithSecret:
    """Create a new secret. The previous one also signs for a day."""
    return _with_secret(services.webhooks.rotate(caller.team_id, webhook_id))


@router.post("/{webhook_id}/ping", status_code=202, responses=responses(404, 409))
def ping_webhook(webhook_id: WebhookId, caller: Writer, services: Services) -> DeliveryView:
    """Send a test event of the type ``ping``; its delivery log holds the outcome."""
    return DeliveryView.model_validate(services.webhooks.ping(caller.team_id, webhook_id))


@router.post("/{webhook_id}/replay", status_code=202, responses=responses(400, 404, 409, 413, 415))
def replay_webhook(webhook_id: WebhookId, body: ReplaySince, caller: Writer, services: Services) -> Replayed:
    """Resend all deliveries that failed since a time."""
    return Replayed(deliveries=services.webhooks.replay_failed(caller.team_id, webhook_id, body.since))


@router.get("/{webhook_id}/deliveries", responses=responses(400, 404))
def list_deliveries(
    webhook_id: WebhookId,
    caller: Reader,
    services: Services,
    state: DeliveryState | None = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 50,
) -> DeliveryPage:
    """List deliveries, newest first."""
    page = services.webhooks.deliveries(caller.team_id, webhook_id, state, cursor, limit)
    return DeliveryPage(items=[DeliveryView.model_validate(one) for one in page.items], next_cursor=page.next_cursor)


@router.get("/{webhook_id}/deliveries/{delivery_id}", responses=responses(404))
def get_delivery(webhook_id: WebhookId, delivery_id: DeliveryId, caller: Reader, services: Services) -> DeliveryLog:
    """Get one delivery and its attempts."""
    return DeliveryLog.model_validate(services.webhooks.delivery(caller.team_id, webhook_id, delivery_id))


@router.post("/{webhook_id}/deliveries/{delivery_id}/replay", status_code=202, responses=responses(404, 409))
def replay_delivery(webhook_id: WebhookId, delivery_id: DeliveryId, caller: Writer, services: Services) -> DeliveryView:
    """Resend one delivery, under the same id."""
    return DeliveryView.model_validate(services.webhooks.replay(caller.team_id, webhook_id, delivery_id))
