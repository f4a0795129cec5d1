"""primesvt webhooks: event notifications of a service."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from rich.markup import escape
from rich.table import Column, Table

from primesvt_client.commands.api_options import DEFAULT_SERVER, Key, Server, connect
from primesvt_client.commands.job_lists import ID_WIDTH
from primesvt_client.commands.serving_options import on_server
from primesvt_client.console import err, out, print_json
from primesvt_client.options import Json
from primesvt_client.schemas.webhooks import WebhookView, WebhookWithSecret
from primesvt_client.states import DeliveryState, EventType

LISTED = 50

commands = typer.Typer(help="Event notifications for jobs and uploads.", no_args_is_help=True)

Webhook = Annotated[str, typer.Argument(metavar="WEBHOOK", help="Id of a webhook: whk_…", show_default=False)]
Delivery = Annotated[str, typer.Argument(metavar="DELIVERY", help="Id of a delivery: msg_…", show_default=False)]
Events = Annotated[
    list[EventType] | None, typer.Option("--event", help="Event to subscribe to; may be given several times.")
]  # fmt: skip


@commands.command("create")
@on_server
def create(
    url: Annotated[str, typer.Argument(metavar="URL", help="https://…", show_default=False)],
    event: Events = None,
    description: Annotated[str, typer.Option(help="Free text.")] = "",
    server: Server = DEFAULT_SERVER,
    api_key: Key = "",
    json: Json = False,
) -> None:
    """Create a webhook, for all events if none is given. The secret is shown only once."""
    with connect(server, api_key) as client:
        _show_secret(client.webhooks.create(url, event or [*EventType], description), json=json)


@commands.command("list")
@on_server
def list_webhooks(server: Server = DEFAULT_SERVER, api_key: Key = "", json: Json = False) -> None:
    """List the team's webhooks."""
    with connect(server, api_key) as client:
        found = client.webhooks.all()
    if json:
        print_json([_document(hook) for hook in found])
        return
    for hook in found:
        _show(hook)


@commands.command("change")
@on_server
def change(
    webhook: Webhook,
    url: Annotated[str | None, typer.Option(help="Another address.")] = None,
    event: Events = None,
    description: Annotated[str | None, typer.Option(help="Free text.")] = None,
    enabled: Annotated[bool | None, typer.Option("--enable/--disable", help="Resume or suspend deliveries.")] = None,
    server: Server = DEFAULT_SERVER,
    api_key: Key = "",
    json: Json = False,
) -> None:
    """Change a webhook; what is not given stays as it is."""
    events = [one.value for one in event] if event else None
    changes = {"url": url, "events": events, "description": description, "enabled": enabled}
    with connect(server, api_key) as client:
        hook = client.webhooks.change(webhook, **changes)
    print_json(_document(hook)) if json else _show(hook)


@commands.command("delete")
@on_server
def delete(webhook: Webhook, server: Server = DEFAULT_SERVER, api_key: Key = "") -> None:
    """Delete a webhook and its deliveries."""
    with connect(server, api_key) as client:
        client.webhooks.delete(webhook)
    err.print(f"{webhook} is deleted")


@commands.command("rotate")
@on_server
def rotate(webhook: Webhook, server: Server = DEFAULT_SERVER, api_key: Key = "", json: Json = False) -> None:
    """Create a new secret, shown only once; the old one stays valid for a day."""
    with connect(server, api_key) as client:
        _show_secret(client.webhooks.rotate(webhook), json=json)


@commands.command("ping")
@on_server
def ping(webhook: Webhook, server: Server = DEFAULT_SERVER, api_key: Key = "", json: Json = False) -> None:
    """Send a test event."""
    with connect(server, api_key) as client:
        sent = client.webhooks.ping(webhook)
    if json:
        print_json(_document(sent))
    else:
        out.print(f"{sent.id} is pending: 'primesvt webhooks log {webhook} {sent.id}'", markup=False, soft_wrap=True)


@commands.command("deliveries")
@on_server
def deliveries(
    webhook: Webhook,
    state: Annotated[DeliveryState | None, typer.Option(help="Only deliveries in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Number of deliveries to show, newest first.")] = LISTED,
    server: Server = DEFAULT_SERVER,
    api_key: Key = "",
    json: Json = False,
) -> None:
    """List the deliveries of a webhook, newest first."""
    with connect(server, api_key) as client:
        found = [one for one, _ in zip(client.webhooks.deliveries(webhook, state), range(limit), strict=False)]
    if json:
        print_json([_document(one) for one in found])
        return
    table = Table(Column("delivery", min_width=ID_WIDTH, no_wrap=True), "event", "state", "attempts", "at", box=None)
    for one in found:
        at = f"{one.created_at.astimezone():%m-%d %H:%M:%S}"
        table.add_row(escape(one.id), escape(one.event), one.state.value, str(one.attempts), at)
    out.print(table)


@commands.command("log")
@on_server
def log(
    webhook: Webhook, delivery: Delivery, server: Server = DEFAULT_SERVER, api_key: Key = "", json: Json = False
) -> None:
    """Show a delivery and its attempts."""
    with connect(server, api_key) as client:
        found = client.webhooks.delivery(webhook, delivery)
    if json:
        print_json(_document(found))
        return
    out.print(f"[bold]{escape(found.id)}[/] {escape(found.event)} {found.state.value}")
    for one in found.log:
        result = one.problem or f"{one.status} {one.answer}"
        out.print(
            f"  {one.at.astimezone():%m-%d %H:%M:%S}  {one.duration_seconds:.2f} s  {escape(result)}", soft_wrap=True
        )


@commands.command("replay")
@on_server
def replay(
    webhook: Webhook,
    delivery: Annotated[
        str | None, typer.Argument(metavar="DELIVERY", help="Id of a delivery; all failed ones if not given.")
    ] = None,
    hours: Annotated[
        int, typer.Option(min=0, max=87_600, help="Resend deliveries that failed within so many hours.")
    ] = 24,
    server: Server = DEFAULT_SERVER,
    api_key: Key = "",
) -> None:
    """Resend a delivery, or all that have failed recently, under the same ids."""
    with connect(server, api_key) as client:
        if delivery is not None:
            client.webhooks.replay(webhook, delivery)
        since = datetime.now(UTC) - timedelta(hours=hours)
        count = 1 if delivery is not None else client.webhooks.replay_failed(webhook, since)
    err.print(f"{count} pending")


def _document(view: BaseModel) -> Any:
    return view.model_dump(mode="json")


def _show(hook: WebhookView) -> None:
    state = "" if hook.enabled else f"  disabled{f': {hook.disabled_reason}' if hook.disabled_reason else ''}"
    out.print(f"[bold]{escape(hook.id)}[/]  {escape(hook.url)}{escape(state)}", soft_wrap=True)
    out.print(f"  {escape(', '.join(hook.events))}  {escape(hook.description)}", soft_wrap=True)


def _show_secret(created: WebhookWithSecret, *, json: bool) -> None:
    if json:
        print_json(_document(created))
        return
    _show(created)
    out.print(f"\nSecret (shown only once):\n\n    {created.secret}", markup=False, soft_wrap=True)
