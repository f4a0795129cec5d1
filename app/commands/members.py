"""members: the members of a service's teams, by its database."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from app.commands.database import DEFAULT_FOLDER, DEFAULT_TEAM, ID_WIDTH, DataDir, open_database, settings_of
from app.commands.services import invitation_service, member_service, team_service
from app.errors import NotFound
from primesvt_client.commands.api_options import DEFAULT_SERVER, SERVER_VARIABLE
from primesvt_client.console import err, out, print_json
from primesvt_client.options import Json
from primesvt_client.states import Role

if TYPE_CHECKING:
    from pathlib import Path

    from app.db import Database
    from app.teams.invitations import NewLink

commands = typer.Typer(help="Members of teams; works on the service's database.", no_args_is_help=True)
Email = Annotated[str, typer.Argument(help="E-mail address of the member.", show_default=False)]
Team = Annotated[str, typer.Option(help="Name of the team.")]


@commands.command("add")
def add_member(
    email: Email,
    role: Annotated[Role, typer.Option(help="Role in the team.")] = Role.MEMBER,
    team: Team = DEFAULT_TEAM,
    data_dir: DataDir = DEFAULT_FOLDER,
    json: Json = False,
) -> None:
    """Invite a member: prints a link for joining the team and choosing a password."""
    with open_database(data_dir) as database:
        link = invitation_service(database).invite(team_service(database).id_of(team), email, role)
    _show(link, _server(data_dir), json=json)


@commands.command("list")
def list_members(data_dir: DataDir = DEFAULT_FOLDER, json: Json = False) -> None:
    """List the members of all teams."""
    with open_database(data_dir) as database:
        found = [
            (team.name, one) for team in team_service(database).all() for one in member_service(database).all(team.id)
        ]
    if json:
        print_json([{"team": team, "id": m.user_id, "email": m.email, "role": m.role.value} for team, m in found])
        return
    table = Table(Column("id", min_width=ID_WIDTH, no_wrap=True), "e-mail address", "team", "role", box=None)
    for team, member in found:
        table.add_row(member.user_id, escape(member.email), escape(team), member.role.value)
    out.print(table)


@commands.command("role")
def change_role(
    email: Email,
    role: Annotated[Role, typer.Argument(help="New role in the team.", show_default=False)],
    team: Team = DEFAULT_TEAM,
    data_dir: DataDir = DEFAULT_FOLDER,
) -> None:
    """Change the role of a member."""
    with open_database(data_dir) as database:
        team_id = team_service(database).id_of(team)
        member_service(database).change_role(team_id, _id_of(database, team_id, email), role)
    err.print(f"{email} now has the role {role.value} in {team}", markup=False)


@commands.command("remove")
def remove_member(email: Email, team: Team = DEFAULT_TEAM, data_dir: DataDir = DEFAULT_FOLDER) -> None:
    """Remove a member from a team."""
    with open_database(data_dir) as database:
        team_id = team_service(database).id_of(team)
        left = member_service(database).remove(team_id, _id_of(database, team_id, email))
    err.print(f"{email} is no longer a member of {team}", markup=False)
    if left:
        err.print("API keys that they created still work; revoke those that no program needs:")
    for key in left:
        err.print(f"  primesvt keys revoke {key.id}    # {key.name}", markup=False, soft_wrap=True)


@commands.command("password")
def new_password(email: Email, data_dir: DataDir = DEFAULT_FOLDER, json: Json = False) -> None:
    """Print a link for choosing a new password."""
    with open_database(data_dir) as database:
        link = invitation_service(database).new_password(email)
    _show(link, _server(data_dir), json=json)


def _id_of(database: Database, team: str, email: str) -> str:
    for member in member_service(database).all(team):
        if member.email == email.strip().lower():
            return member.user_id
    raise NotFound(f"{email} is not a member of the team; 'primesvt members list' shows all")


def _server(data_dir: Path) -> str:
    """Where people reach the service: as its settings say, or where the one that uses the folder listens."""
    from app.embedded import address_of  # imports what --help does without

    settings = settings_of(data_dir)
    known = settings.public_url or os.environ.get(SERVER_VARIABLE, "") or address_of(settings.data_dir)
    if not known:
        err.print(
            f"where people reach the service is not known, and none runs on {data_dir}: the link leads to"
            f" {DEFAULT_SERVER}; if that is not it, set PRIMESVT_PUBLIC_URL, or {SERVER_VARIABLE} for this command",
            soft_wrap=True, markup=False,
        )  # fmt: skip
    return known or DEFAULT_SERVER


def _show(link: NewLink, server: str, *, json: bool) -> None:
    address = server.rstrip("/") + link.path
    if json:
        print_json({"link": address, "expires_at": link.expires_at.isoformat()})
        return
    out.print(address, soft_wrap=True, markup=False)
    err.print(f"valid once, until {link.expires_at.astimezone():%Y-%m-%d %H:%M}")
