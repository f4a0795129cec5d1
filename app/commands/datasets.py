"""datasets: data sets that the service reads where they lie, so that no team uploads them; by its database."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import JsonValue
from rich.markup import escape
from rich.table import Column, Table

from app.commands.database import DEFAULT_FOLDER, ID_WIDTH, DataDir, open_database, settings_of
from app.commands.services import dataset_service, team_service, worker_service
from app.errors import Conflict, Invalid, NotFound
from primesvt_client.console import WRONG_INPUT, err, fail, out, print_json
from primesvt_client.options import Json

if TYPE_CHECKING:
    from app.db import Database
    from app.jobs.datasets import DatasetService, RegisteredDataset
    from app.workers.service import WorkerService

POLL_SECONDS = 0.5
WAIT_SECONDS = 600.0

commands = typer.Typer(
    help="Data sets that the service has already; works on the service's database.", no_args_is_help=True
)
Name = Annotated[str, typer.Argument(help="Name of the data set, as teams see it.", show_default=False)]
Teams = Annotated[
    list[str] | None,
    typer.Option("--teams", metavar="TEAM", help="Name or id of a team; may be given several times."),
]
AllTeams = Annotated[bool, typer.Option("--all-teams", help="Every team, also such as are made later.")]


@commands.command("add")
def add_dataset(
    name: Name,
    location: Annotated[
        str,
        typer.Argument(
            metavar="PATH", help="File that every worker sees at this path, or s3://bucket/key.", show_default=False
        ),
    ],
    teams: Teams = None,
    all_teams: AllTeams = False,
    wait_seconds: Annotated[
        float, typer.Option("--wait", min=0, help="Seconds to wait for its validation; 0 not to wait.")
    ] = WAIT_SECONDS,
    data_dir: DataDir = DEFAULT_FOLDER,
    json: Json = False,
) -> None:
    """Register a file: it is validated once by a worker, never copied, and never written to."""
    with open_database(data_dir) as database:
        settings = settings_of(data_dir)
        service, workers = dataset_service(database, settings), worker_service(database, settings)
        found = service.add(name, location, _teams(database, teams, all_teams=all_teams))
        found = _validated(service, workers, found, wait_seconds)
        readers = workers.readers(found.id)
    if json:
        print_json(_as_json(found, readers))
    _tell(found, readers)


@commands.command("list")
def list_datasets(data_dir: DataDir = DEFAULT_FOLDER, json: Json = False) -> None:
    """List the data sets with the workers that cannot read them."""
    with open_database(data_dir) as database:
        settings = settings_of(data_dir)
        workers = worker_service(database, settings)
        found = [(one, workers.readers(one.id)) for one in dataset_service(database, settings).all()]
        names = {team.id: team.name for team in team_service(database).all()}
    if json:
        print_json([_as_json(one, readers) for one, readers in found])
        return
    titles = ("name", "state", "bytes", "teams", "location", "not readable by")
    table = Table(Column("data set", min_width=ID_WIDTH, no_wrap=True), *titles, box=None)
    for one, readers in found:
        teams = "all" if one.teams is None else ", ".join(names.get(team, team) for team in one.teams)
        table.add_row(
            one.id, escape(one.name), one.state.value, f"{one.size_bytes:,}", escape(teams), escape(one.location),
            escape(", ".join(worker for worker, why in readers.items() if why)),
        )  # fmt: skip
    out.print(table)


@commands.command("teams")
def offer_dataset(
    name: Name, teams: Teams = None, all_teams: AllTeams = False, data_dir: DataDir = DEFAULT_FOLDER
) -> None:
    """Offer a data set to these teams and no others; queued jobs of the others fail."""
    with open_database(data_dir) as database:
        wanted = _teams(database, teams, all_teams=all_teams)
        dataset_service(database, settings_of(data_dir)).offer(name, wanted)
    err.print(f"{name} is offered to {'all teams' if wanted is None else f'{len(wanted)} teams'}", markup=False)


@commands.command("remove")
def remove_dataset(name: Name, data_dir: DataDir = DEFAULT_FOLDER) -> None:
    """Offer a data set to nobody any more; the file stays. Queued jobs on it fail, finished ones keep their results."""
    with open_database(data_dir) as database:
        failed = dataset_service(database, settings_of(data_dir)).remove(name)
    err.print(f"{name} is removed; {failed} queued jobs have failed", markup=False)


def _teams(database: Database, given: Sequence[str] | None, *, all_teams: bool) -> list[str] | None:
    """Ids of the teams that are meant; None for all.

    Raises:
        Invalid: neither or both are given.
        NotFound: there is no such team.
        Conflict: several have the name, which teams choose themselves.
    """
    if all_teams == bool(given):
        raise Invalid("give --all-teams, or --teams once for every team")
    if all_teams:
        return None
    known = team_service(database).all()
    found: list[str] = []
    for text in given or ():
        meant = [team.id for team in known if text in (team.id, team.name)]
        if not meant:
            raise NotFound(f"there is no team {text}; 'primesvt teams list' shows them")
        if len(meant) > 1:
            raise Conflict(f"{len(meant)} teams are called {text}; give the id: {', '.join(meant)}")
        found += meant
    return found


def _validated(
    service: DatasetService, workers: WorkerService, found: RegisteredDataset, wait_seconds: float
) -> RegisteredDataset:
    """The data set once it is validated and every worker has looked for it, or as it is when the time is over."""
    end = time.monotonic() + wait_seconds
    while time.monotonic() < end:
        found = service.named(found.name)
        readers = workers.readers(found.id)
        is_settled = found.state.value in ("ready", "rejected")
        if (is_settled and None not in readers.values()) or found.state.value == "rejected" or not readers:
            break
        time.sleep(POLL_SECONDS)
    return found


def _tell(found: RegisteredDataset, readers: dict[str, str | None]) -> None:
    """Say what has become of it; a refusal ends the command."""
    for worker, why in readers.items():
        if why:
            err.print(f"the worker {worker} cannot read it: {why}", markup=False, soft_wrap=True)
    if found.state.value == "rejected":
        problem = found.problem
        code = problem.code if problem and problem.code else "unreadable"
        fail(code, f"{found.location} is refused: {problem.detail if problem else ''}", WRONG_INPUT)
    if found.state.value != "ready":
        why = "no worker runs" if not readers else "it is not validated yet"
        err.print(
            f"{why}; teams see it once a worker has validated it: 'primesvt datasets list'",
            markup=False,
            soft_wrap=True,
        )
    else:
        err.print(
            f"{found.name} is {found.id}: {found.size_bytes:,} bytes, sha256 {found.sha256}",
            markup=False,
            soft_wrap=True,
        )


def _as_json(found: RegisteredDataset, readers: dict[str, str | None]) -> dict[str, JsonValue]:
    return {
        "id": found.id, "name": found.name, "location": found.location, "state": found.state.value,
        "size_bytes": found.size_bytes, "sha256": found.sha256,
        "teams": None if found.teams is None else [*found.teams],
        "problem": found.problem.document() if found.problem else None,
        "created_at": found.created_at.isoformat(), "unreadable_by": {w: why for w, why in readers.items() if why},
    }  # fmt: skip
