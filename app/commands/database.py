"""What commands share that work on a service's database rather than its API: for operators.

What opens the database is imported when a command runs: ``--help`` answers at once, without SQLAlchemy.
"""

from __future__ import annotations

import getpass
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.errors import DomainError
from primesvt_client.console import WRONG_INPUT, fail

if TYPE_CHECKING:
    from app.db import Database
    from app.settings import Settings

DEFAULT_FOLDER = Path("primesvt-data")
DEFAULT_TEAM = "default"
ID_WIDTH = 31
"""Of an id, which users copy: it is never truncated."""

DataDir = Annotated[Path, typer.Option("--data-dir", envvar="PRIMESVT_DATA_DIR", help="Folder of the service's data.")]


def settings_of(data_dir: Path) -> Settings:
    """Those of the environment, with the data folder of the command line.

    Raises:
        WrongSettings: they cannot be used.
    """
    from app.settings import Settings, given_folder

    return Settings.from_env(os.environ).model_copy(update={"data_dir": given_folder(data_dir)})


@contextmanager
def open_database(data_dir: Path) -> Iterator[Database]:
    """The database of --data-dir, or of PRIMESVT_DATABASE_URL; errors end the command with their code."""
    from app.db import opened
    from app.teams.actors import Actor, ActorKind, acting

    logging.getLogger("alembic").setLevel(logging.WARNING)
    actor = Actor(kind=ActorKind.OPERATOR, name=getpass.getuser())
    try:
        with opened(settings_of(data_dir).database) as database, acting(actor):
            yield database
    except DomainError as error:
        fail(error.code, error.message, WRONG_INPUT)
