"""Webhooks: where to tell what happens, and what became of telling it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.api.bodies import BoundedRoute
from app.api.deps import DeliveryId, Found, WebhookId, needs
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

FOUND_AT = with_headers(201, Location="Where the webhook is found.")


def _with_secret(made: WithSecret) -> WebhookWithSecret:
    return WebhookWithSecret(**WebhookView.model_validate(made.webhook).model_dump(), secret=made.secret)


@router.post("", status_code=201, responses={**FOUND_AT, **responses(400, 409, 413, 415)})
def create_webhook(body: NewWebhook, caller: Writer, found: Found, response: Response) -> WebhookWithSecret:
    """Have an address told what happens. The secret is shown this once."""
    made = found.webhooks.create(caller.team_id, body.url, body.events, body.description)
    response.headers["Location"] = f"{router.prefix}/{made.webhook.id}"
    return _with_secret(made)


@router.get("")
def list_webhooks(caller: Reader, found: Found) -> Webhooks:
    """All webhooks of the team."""
    return Webhooks(items=[WebhookView.model_validate(hook) for hook in found.webhooks.all(caller.team_id)])


@router.get("/{webhook_id}", responses=responses(404))
def get_webhook(webhook_id: WebhookId, caller: Reader, found: Found) -> WebhookView:
    """One webhook."""
    return WebhookView.model_validate(found.webhooks.get(caller.team_id, webhook_id))


@router.patch("/{webhook_id}", responses=responses(400, 404, 413, 415))
def change_webhook(webhook_id: WebhookId, body: WebhookChanges, caller: Writer, found: Found) -> WebhookView:
    """Another address or other events; disable, or enable again."""
    return WebhookView.model_validate(
        found.webhooks.change(caller.team_id, webhook_id, Changes(**body.model_dump()))
    )  # fmt: skip


@router.delete("/{webhook_id}", status_code=204, responses=responses(404))
def delete_webhook(webhook_id: WebhookId, caller: Writer, found: Found) -> None:
    """Forget a webhook and what it was told."""
    found.webhooks.delete(caller.team_id, webhook_id)


@router.post("/{webhook_id}/rotate", responses=responses(404))
def rotate_webhook_secret(webhook_id: WebhookId, caller: Writer, found: Found) -> WebhookWithSecret:
    """A new secret. For a day the one before it signs too."""
    return _with_secret(found.webhooks.rotate(caller.team_id, webhook_id))


@router.post("/{webhook_id}/ping", status_code=202, responses=responses(404, 409))
def ping_webhook(webhook_id: WebhookId, caller: Writer, found: Found) -> DeliveryView:
    """Send a message of the type ``ping``, to try the way; its delivery log tells what came of it."""
    return DeliveryView.model_validate(found.webhooks.ping(caller.team_id, webhook_id))


@router.post("/{webhook_id}/replay", status_code=202, responses=responses(400, 404, 409, 413, 415))
def replay_webhook(webhook_id: WebhookId, body: ReplaySince, caller: Writer, found: Found) -> Replayed:
    """Send all messages again that have failed since a time."""
    return Replayed(deliveries=found.webhooks.replay_failed(caller.team_id, webhook_id, body.since))


@router.get("/{webhook_id}/deliveries", responses=responses(400, 404))
def list_deliveries(
    webhook_id: WebhookId,
    caller: Reader,
    found: Found,
    state: DeliveryState | None = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 50,
) -> DeliveryPage:
    """What the webhook was told, newest first."""
    page = found.webhooks.deliveries(caller.team_id, webhook_id, state, cursor, limit)
    return DeliveryPage(items=[DeliveryView.model_validate(one) for one in page.items], next_cursor=page.next_cursor)


@router.get("/{webhook_id}/deliveries/{delivery_id}", responses=responses(404))
def get_delivery(webhook_id: WebhookId, delivery_id: DeliveryId, caller: Reader, found: Found) -> DeliveryLog:
    """One message and every attempt at it."""
    return DeliveryLog.model_validate(found.webhooks.delivery(caller.team_id, webhook_id, delivery_id))


@router.post("/{webhook_id}/deliveries/{delivery_id}/replay", status_code=202, responses=responses(404, 409))
def replay_delivery(webhook_id: WebhookId, delivery_id: DeliveryId, caller: Writer, found: Found) -> DeliveryView:
    """Send one message again, under the same id."""
    return DeliveryView.model_validate(found.webhooks.replay(caller.team_id, webhook_id, delivery_id))
