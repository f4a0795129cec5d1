"""The command ``retarget``: another point of a finished run's curve."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from primesvt_client.commands.demanding import FailUnless, demand
from primesvt_client.console import print_json, progress_bars
from primesvt_client.options import Json
from primesvt_core.cli.commands import Resume, print_result, resumable

if TYPE_CHECKING:
    from primesvt_core.report.schema import Report


def retarget(
    run: Annotated[
        Path, typer.Argument(help="Results folder of a finished compression (preset deep).", show_default=False)
    ],
    out_dir: Annotated[Path, typer.Option("--out", help="Folder for the results.", show_default=False)],
    max_accuracy_drop: Annotated[
        float | None,
        typer.Option(
            "--max-accuracy-drop",
            help="Largest accuracy drop that is allowed now. 0.02 is 2 points.",
            show_default=False,
        ),
    ] = None,
    max_disagreement: Annotated[
        float | None,
        typer.Option(
            "--max-disagreement",
            help="Largest disagreement that is allowed now, of a run that promised one. 0.05 is 5 %.",
            show_default=False,
        ),
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Checkpoint of that run, if it is not where it was.", show_default=False)
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Data of that run, if they are not where they were.", show_default=False)
    ] = None,
    train_data: Annotated[
        Path | None, typer.Option(help="Training data of that run, likewise.", show_default=False)
    ] = None,
    resume: Resume = False,
    fail_unless: FailUnless = None,
    json: Json = False,
) -> None:
    """Deliver another point of a finished run's curve, for another budget; nothing is computed twice."""
    running = import_module("primesvt_core.library.running")
    budget = running.OtherBudget(
        max_accuracy_drop=max_accuracy_drop, max_disagreement=max_disagreement, checkpoint=checkpoint, data=data
    )
    with resumable(), progress_bars(search="taking the curve") as report_to:
        asked = running.Run(out=out_dir, resume=resume, train_data=train_data, report_to=report_to)
        report: Report = running.retargeted(run, budget, asked)
    if json:
        print_json(report.model_dump(mode="json"))
    else:
        print_result(report, out_dir)
    demand(report.verdict, fail_unless)
