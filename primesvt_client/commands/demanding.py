"""``--fail-unless``: an exit status for scripts that want a verdict, not only an end."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from primesvt_client.console import err
from primesvt_client.states import Verdict
from primesvt_client.verdicts import title

MISSED = 3
"""Exit status where a run has ended, with another verdict than was asked for."""

FailUnless = Annotated[
    list[Verdict] | None,
    typer.Option(
        "--fail-unless",
        help="Exit with 3 if the verdict is another one: met, where a budget that is missed must stop a script. May be"
        " given several times.",
        show_default=False,
    ),
]


def demand(verdict: str | None, wanted: list[Verdict] | None) -> None:
    """Exit with a status for scripts if a run did not end as it had to; its results are there all the same.

    Args:
        verdict: how the run ended.
        wanted: verdicts of which it must be one; whatever it is will do if none is given.
    """
    if wanted and verdict not in wanted:
        err.print(
            f"[bold red]error[/] \\[verdict] it is {verdict} ({title(verdict)}), not {' or '.join(wanted)}",
            soft_wrap=True,
        )
        sys.exit(MISSED)
