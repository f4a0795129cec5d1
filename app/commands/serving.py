"""serve, and the keys of a service on this machine."""

from __future__ import annotations

import logging
import os
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from app import logs
from app.commands.connecting import KEY_VARIABLE, SERVER_VARIABLE
from app.db import connect
from app.embedded import Place, Running, running
from app.settings import Settings
from app.teams.service import TeamService
from primesvt_core.cli import Json
from primesvt_core.console import WRONG_INPUT, err, fail, out, print_json

DEFAULT_FOLDER = Path("primesvt-data")
LOOK_SECONDS = 0.5

DataDir = Annotated[
    Path, typer.Option("--data-dir", envvar="PRIMESVT_DATA_DIR", help="Folder for everything the service keeps.")
]

keys = typer.Typer(help="API keys of a service whose database this machine reaches.", no_args_is_help=True)


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for other machines too.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 for any free one.")] = 8000,
    data_dir: DataDir = DEFAULT_FOLDER,
    json: Json = False,
) -> None:
    """Run the whole service on this machine: API, dashboard, queue, one worker. Ctrl-C stops it; what was running goes
    on at the next start.
    """
    logs.configure("WARNING", as_json=False)
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background processes ignore the first otherwise
        signal.signal(number, _interrupt)
    try:
        with err.status("starting") as waiting, running(Place(data_dir, host, port)) as found:
            waiting.stop()
            _announce(found, json=json)
            while True:
                time.sleep(LOOK_SECONDS)
                found.look()
    except KeyboardInterrupt:
        err.print("stopped; what was running goes on at the next start")


def _announce(found: Running, *, json: bool) -> None:
    if json:
        print_json({"server": found.address, "api_key": found.first_key, "data_dir": str(found.settings.data_dir)})
        return
    out.print(f"PrimeSVT is at [bold]{found.address}[/]; Ctrl-C stops it")
    if found.first_key:
        out.print("\nThe first API key, shown this once:\n")
        out.print(f"    export {SERVER_VARIABLE}={found.address}", soft_wrap=True)
        out.print(f"    export {KEY_VARIABLE}={found.first_key}\n", soft_wrap=True)
    out.print(f"data and logs: {found.settings.data_dir}", soft_wrap=True)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="What the key is for.")] = "key",
    team: Annotated[str, typer.Option(help="Name of the team; made if there is none.")] = "default",
    data_dir: DataDir = DEFAULT_FOLDER,
    json: Json = False,
) -> None:
    """Make a key and show it, this once. The database is that of --data-dir, or of PRIMESVT_DATABASE_URL."""
    teams = _teams(data_dir)
    key = teams.create_key(teams.team_named(team), name)
    if json:
        print_json({"id": key.id, "team_id": key.team_id, "api_key": key.secret})
    else:
        out.print(key.secret, soft_wrap=True)


@keys.command("list")
def list_keys(data_dir: DataDir = DEFAULT_FOLDER, json: Json = False) -> None:
    """List the keys of all teams, without their secrets."""
    found = _teams(data_dir).all_keys()
    if json:
        print_json([{"id": key.id, "team": key.team, "name": key.name, "revoked": key.revoked} for key in found])
        return
    for key in found:
        out.print(f"{key.id}  {key.team}  {key.name}{'  revoked' if key.revoked else ''}", markup=False)


@keys.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(metavar="KEY", help="Id of the key: key_…", show_default=False)],
    data_dir: DataDir = DEFAULT_FOLDER,
) -> None:
    """From now on the key opens nothing."""
    teams = _teams(data_dir)
    team = next((key.team_id for key in teams.all_keys() if key.id == key_id), None)
    if team is None:
        fail("not_found", f"there is no key {key_id}; 'primesvt keys list' shows them", WRONG_INPUT)
    teams.revoke_key(team, key_id)
    err.print(f"{key_id} is revoked")


def _teams(data_dir: Path) -> TeamService:
    settings = Settings.from_env(os.environ).model_copy(update={"data_dir": data_dir.expanduser().resolve()})
    database = connect(settings.database)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    database.migrate()
    return TeamService(database)
