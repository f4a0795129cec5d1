"""teams: the teams of a service and their quotas, by its database."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import JsonValue
from rich.markup import escape
from rich.table import Column, Table

from app.commands.database import DEFAULT_FOLDER, ID_WIDTH, DataDir, open_database, settings_of
from app.commands.services import quota_service, team_service
from app.errors import Conflict, Invalid
from primesvt_client.console import err, out, print_json
from primesvt_client.options import Json
from primesvt_client.spec_types import LARGEST

if TYPE_CHECKING:
    from app.teams.quotas import Quotas
    from app.usage.quotas import Usage

commands = typer.Typer(help="Teams and quotas; works on the service's database.", no_args_is_help=True)
TeamName = Annotated[str, typer.Argument(metavar="TEAM", help="Name of the team.", show_default=False)]
Limit = Annotated[str | None, typer.Option(metavar="NUMBER", help="A whole number, or 'unlimited'.")]


@commands.command("create")
def create_team(name: TeamName, data_dir: DataDir = DEFAULT_FOLDER, json: Json = False) -> None:
    """Create a team with one API key, which is shown only once."""
    with open_database(data_dir) as database:
        teams = team_service(database)
        if any(team.name == name for team in teams.all()):
            raise Conflict(f"there is a team {name} already; 'primesvt keys create --team' makes keys for it")
        made = teams.create_team(name)
    if json:
        print_json({"team_id": made.team_id, "key_id": made.id, "api_key": made.secret})
    else:
        out.print(made.secret, soft_wrap=True, markup=False)


@commands.command("list")
def list_teams(data_dir: DataDir = DEFAULT_FOLDER, json: Json = False) -> None:
    """List all teams with usage and quotas."""
    with open_database(data_dir) as database:
        quotas = quota_service(database, settings_of(data_dir))
        found = [(team, quotas.usage(team.id), quotas.of(team.id)) for team in team_service(database).all()]
    if json:
        print_json([_as_json(team.id, team.name, used, may) for team, used, may in found])
        return
    titles = ("name", "stored bytes", "unfinished jobs", "GPU minutes")
    table = Table(Column("team", min_width=ID_WIDTH, no_wrap=True), *titles, box=None)
    for team, used, may in found:
        table.add_row(
            team.id, escape(team.name), _of(used.storage_bytes, may.storage_bytes),
            _of(used.unfinished_jobs, may.unfinished_jobs), _of(round(used.gpu_minutes), may.gpu_minutes),
        )  # fmt: skip
    out.print(table)


@commands.command("quota")
def set_quota(
    name: TeamName,
    storage_bytes: Limit = None,
    unfinished_jobs: Limit = None,
    gpu_minutes: Limit = None,
    upload_bytes: Limit = None,
    reset: Annotated[bool, typer.Option("--reset", help="Return to the server's quotas.")] = False,
    data_dir: DataDir = DEFAULT_FOLDER,
) -> None:
    """Set the quotas of a team; those not given stay unchanged."""
    limits = {
        "storage_bytes": storage_bytes, "unfinished_jobs": unfinished_jobs, "gpu_minutes": gpu_minutes,
        "upload_bytes": upload_bytes,
    }  # fmt: skip
    with open_database(data_dir) as database:
        team = team_service(database).id_of(name)
        quotas = quota_service(database, settings_of(data_dir))
        if reset:
            quotas.reset(team)
        found = quotas.change(team, {key: _number(text) for key, text in limits.items() if text is not None})
    err.print(", ".join(f"{key}: {'unlimited' if most is None else most}" for key, most in asdict(found).items()))


def _number(text: str) -> int | None:
    if text == "unlimited":
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(LARGEST))):
        raise Invalid(f"{text!r} is neither 'unlimited' nor a whole number up to {LARGEST:,}")
    return int(text)


def _of(used: int, most: int | None) -> str:
    return f"{used:,} of {'unlimited' if most is None else f'{most:,}'}"


def _as_json(team: str, name: str, used: Usage, may: Quotas) -> dict[str, JsonValue]:
    return {
        "id": team, "name": name, "storage_bytes": used.storage_bytes, "unfinished_jobs": used.unfinished_jobs,
        "gpu_minutes": used.gpu_minutes, "quotas": asdict(may),
    }  # fmt: skip
