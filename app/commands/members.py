"""members: the people of a service whose database this machine reaches."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from app.commands.database import DEFAULT_FOLDER, DEFAULT_TEAM, ID_WIDTH, DataDir, reached, settings_of
from app.commands.services import invitation_service, member_service, team_service
from app.errors import NotFound
from primesvt_client.commands.api_options import DEFAULT_SERVER, SERVER_VARIABLE
from primesvt_client.console import err, out, print_json
from primesvt_client.options import Json
from primesvt_client.states import Role

if TYPE_CHECKING:
    from app.db import Database
    from app.teams.invitations import NewLink

commands = typer.Typer(help="People of a service whose database this machine reaches.", no_args_is_help=True)
Email = Annotated[str, typer.Argument(help="Their e-mail address.", show_default=False)]
Team = Annotated[str, typer.Option(help="Name of the team.")]


@commands.command("add")
def add_member(
    email: Email,
    role: Annotated[Role, typer.Option(help="What they may do.")] = Role.MEMBER,
    team: Team = DEFAULT_TEAM,
    data_dir: DataDir = DEFAULT_FOLDER,
    json: Json = False,
) -> None:
    """Invite somebody into a team: prints a link that they follow to join and to choose a password."""
    with reached(data_dir) as database:
        link = invitation_service(database).invite(team_service(database).id_of(team), email, role)
    _show(link, settings_of(data_dir).public_url, json=json)


@commands.command("list")
def list_members(data_dir: DataDir = DEFAULT_FOLDER, json: Json = False) -> None:
    """List the members of all teams."""
    with reached(data_dir) as database:
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
    role: Annotated[Role, typer.Argument(help="What they may do from now on.", show_default=False)],
    team: Team = DEFAULT_TEAM,
    data_dir: DataDir = DEFAULT_FOLDER,
) -> None:
    """Give a member another role."""
    with reached(data_dir) as database:
        team_id = team_service(database).id_of(team)
        member_service(database).change_role(team_id, _id_of(database, team_id, email), role)
    err.print(f"{email} is {role.value} of {team}", markup=False)


@commands.command("remove")
def remove_member(email: Email, team: Team = DEFAULT_TEAM, data_dir: DataDir = DEFAULT_FOLDER) -> None:
    """Take somebody out of a team."""
    with reached(data_dir) as database:
        team_id = team_service(database).id_of(team)
        member_service(database).remove(team_id, _id_of(database, team_id, email))
    err.print(f"{email} is no member of {team} any more", markup=False)


@commands.command("password")
def new_password(email: Email, data_dir: DataDir = DEFAULT_FOLDER, json: Json = False) -> None:
    """Print a link with which somebody chooses a new password."""
    with reached(data_dir) as database:
        link = invitation_service(database).new_password(email)
    _show(link, settings_of(data_dir).public_url, json=json)


def _id_of(database: Database, team: str, email: str) -> str:
    for member in member_service(database).all(team):
        if member.email == email.strip().lower():
            return member.user_id
    raise NotFound(f"{email} is no member of the team; 'primesvt members list' shows who is")


def _show(link: NewLink, public_url: str, *, json: bool) -> None:
    server = public_url or os.environ.get(SERVER_VARIABLE, "") or DEFAULT_SERVER
    address = server.rstrip("/") + link.path
    if json:
        print_json({"link": address, "expires_at": link.expires_at.isoformat()})
        return
    out.print(address, soft_wrap=True, markup=False)
    err.print(f"it can be used once, until {link.expires_at.astimezone():%Y-%m-%d %H:%M}")
