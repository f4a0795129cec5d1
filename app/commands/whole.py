"""Every command: the library's, and the service's beside them."""

from __future__ import annotations

import typer

from app.client import ClientError, ServerError, Unusable
from app.commands import demo, jobs, keys, members, serving, teams, webhooks
from app.db import DatabaseUnusable
from app.embedded import EmbeddedError
from app.settings import WrongSettings
from primesvt_core import cli as library
from primesvt_core.console import FAILED, WRONG_INPUT, fail

__all__ = ["app", "main"]

SERVER_FAULT = 500

app = typer.Typer(**library.SETTINGS)
app.registered_commands += library.app.registered_commands
app.command()(serving.serve)
app.command()(demo.demo)
for name, command in (
    ("submit", jobs.submit), ("status", jobs.status), ("list", jobs.list_jobs), ("cancel", jobs.cancel),
    ("prioritise", jobs.prioritise), ("retry", jobs.retry), ("download", jobs.download), ("delete", jobs.delete),
):  # fmt: skip
    app.command(name)(command)
app.add_typer(teams.commands, name="teams")
app.add_typer(members.commands, name="members")
app.add_typer(keys.commands, name="keys")
app.add_typer(webhooks.commands, name="webhooks")


def main() -> None:
    """The command line, with the service's errors turned into messages and exit statuses."""
    try:
        app()
    except ServerError as error:
        fail(error.problem.code, error.message, FAILED if error.problem.status >= SERVER_FAULT else WRONG_INPUT)
    except ClientError as error:
        fail(error.code, error.message, WRONG_INPUT if isinstance(error, Unusable) else FAILED)
    except WrongSettings as error:
        fail(error.code, error.message, WRONG_INPUT)
    except (EmbeddedError, DatabaseUnusable) as error:
        fail(error.code, error.message, WRONG_INPUT if error.is_input else FAILED)
