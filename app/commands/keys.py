"""keys: the API keys of a service, by its database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import JsonValue
from rich.markup import escape
from rich.table import Column, Table

from app.commands.database import DEFAULT_FOLDER, DEFAULT_TEAM, ID_WIDTH, DataDir, open_database
from app.commands.services import key_service, team_service
from app.errors import NotFound
from primesvt_client.console import err, out, print_json
from primesvt_client.options import Json
from primesvt_client.states import ALL_SCOPES, Scope

if TYPE_CHECKING:
    from app.teams.keys import KeyService
    from app.teams.records import Key, NewKey
    from app.teams.service import TeamService

GRACE_HOURS = 24

commands = typer.Typer(help="API keys; works on the service's database.", no_args_is_help=True)
KeyId = Annotated[str, typer.Argument(metavar="KEY", help="Id of the key: key_…", show_default=False)]


@commands.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="Name of the key.")] = "key",
    team: Annotated[str, typer.Option(help="Name of the team; created if it does not exist.")] = DEFAULT_TEAM,
    scope: Annotated[
        list[Scope] | None, typer.Option(help="Permission; may be given several times. All if not given.")
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, max=36_500, help="Days until it expires.")] = None,
    data_dir: DataDir = DEFAULT_FOLDER,
    json: Json = False,
) -> None:
    """Create an API key, shown only once. The database is that of --data-dir, or of PRIMESVT_DATABASE_URL."""
    with open_database(data_dir) as database:
        end = None if days is None else datetime.now(UTC) + timedelta(days=days)
        team_id = team_service(database).team_named(team)
        _show(key_service(database).create(team_id, name, frozenset(scope or ALL_SCOPES), end), json=json)


@commands.command("list")
def list_keys(data_dir: DataDir = DEFAULT_FOLDER, json: Json = False) -> None:
    """List the API keys of all teams, without their secrets."""
    with open_database(data_dir) as database:
        found = [
            (team.name, key) for team in team_service(database).all() for key in key_service(database).all(team.id)
        ]
    if json:
        print_json([_as_json(team, key) for team, key in found])
        return
    table = Table(Column("key", min_width=ID_WIDTH, no_wrap=True), "team", "name", "state", "last used", box=None)
    for team, key in found:
        used = f"{key.last_used_at.astimezone():%Y-%m-%d %H:%M}" if key.last_used_at else "never"
        table.add_row(key.id, escape(team), escape(key.name), _state(key), used)
    out.print(table)


@commands.command("rotate")
def rotate_key(
    key_id: KeyId,
    grace_hours: Annotated[int, typer.Option(min=0, max=720, help="Hours that the old key stays valid.")] = GRACE_HOURS,
    data_dir: DataDir = DEFAULT_FOLDER,
    json: Json = False,
) -> None:
    """Replace an API key; the new one is shown only once, the old one stays valid for a while."""
    with open_database(data_dir) as database:
        keys = key_service(database)
        team = _team_of(team_service(database), keys, key_id)
        _show(keys.rotate(team, key_id, grace_hours * 3600), json=json)


@commands.command("revoke")
def revoke_key(key_id: KeyId, data_dir: DataDir = DEFAULT_FOLDER) -> None:
    """Revoke an API key at once."""
    with open_database(data_dir) as database:
        keys = key_service(database)
        keys.revoke(_team_of(team_service(database), keys, key_id), key_id)
    err.print(f"{key_id} is revoked")


def _team_of(teams: TeamService, keys: KeyService, key_id: str) -> str:
    for team in teams.all():
        if any(key.id == key_id for key in keys.all(team.id)):
            return team.id
    raise NotFound(f"there is no key {key_id}; 'primesvt keys list' shows them")


def _show(key: NewKey, *, json: bool) -> None:
    if json:
        print_json({"id": key.id, "team_id": key.team_id, "api_key": key.secret})
    else:
        out.print(key.secret, soft_wrap=True, markup=False)


def _state(key: Key) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "live" if key.is_live(datetime.now(UTC)) else "expired"


def _as_json(team: str, key: Key) -> dict[str, JsonValue]:
    times = {"created_at": key.created_at, "expires_at": key.expires_at, "last_used_at": key.last_used_at}
    moments: dict[str, JsonValue] = {name: at.isoformat() if at else None for name, at in times.items()}
    known: dict[str, JsonValue] = {
        "id": key.id,
        "team": team,
        "name": key.name,
        "scopes": [scope.value for scope in key.scopes],
    }
    return {**known, "state": _state(key), "revoked": key.revoked_at is not None, **moments}
