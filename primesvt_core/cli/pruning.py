"""The command ``prune``: a plan that is given, carried out without a search."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import JsonValue
from rich.table import Table

from primesvt_client.commands.demanding import FailUnless, demand
from primesvt_client.console import out, print_json, progress_bars
from primesvt_client.options import Checkpoint, Json, TrainData, takes_pruning_spec
from primesvt_core import spec as specs
from primesvt_core.cli.choices import lists_choices
from primesvt_core.cli.commands import (
    Earlier,
    Resume,
    change,
    print_assumptions,
    print_result,
    resumable,
)
from primesvt_core.method.given_plan import asked_with, read_plan

if TYPE_CHECKING:
    from primesvt_core.report.schema import Report
    from primesvt_core.report.sliced import SlicedReport


@lists_choices
@takes_pruning_spec
def prune(
    checkpoint: Checkpoint,
    plan: Annotated[
        Path,
        typer.Option(
            "--plan",
            help="Rates to prune at: report.json of a finished run, or a YAML or JSON file of rates by channel group or"
            " pattern (*, ?).",
            show_default=False,
        ),
    ],
    out_dir: Annotated[Path, typer.Option("--out", help="Folder for the results.", show_default=False)],
    document: dict[str, JsonValue],
    data: Annotated[
        Path | None,
        typer.Option(
            help="Labelled evaluation data, in any form that compress takes: the model is repaired, what it loses is"
            " measured, and limits of accuracy are confirmed. Without it the preset is paper, and nothing is measured.",
            show_default=False,
        ),
    ] = None,
    train_data: TrainData = None,
    resume: Resume = False,
    earlier: Earlier = None,
    fail_unless: FailUnless = None,
    json: Json = False,
) -> None:
    """Prune a checkpoint by a given plan, without a search; writes the model and the report to --out."""
    given = read_plan(plan)
    if not resume:  # what goes on has the preset that it had
        specs.parse(asked_with(given, document, has_data=data is not None))  # before torch is loaded
    running = import_module("primesvt_core.library.running")
    with resumable(), progress_bars(search="comparing") as report_to:
        run = running.Run(out=out_dir, resume=resume, train_data=train_data, earlier=earlier or (), report_to=report_to)
        report: Report | SlicedReport = running.pruned(checkpoint, given, data, document, run)
    if json:
        print_json(report.model_dump(mode="json"))
    elif report.confirmation is None:
        _print_sliced(report, out_dir)
    else:
        print_result(report, out_dir)
    demand(report.verdict, fail_unless)


def _print_sliced(report: SlicedReport, out_dir: Path) -> None:
    """What is known without data, in a few lines."""
    before, after = report.baseline, report.pruned
    out.print(f"\n[bold]verdict: {report.verdict.value}[/]")
    out.print(report.meaning, markup=False, soft_wrap=True)
    print_assumptions([assumption.model_dump() for assumption in report.assumptions])
    for note in report.notes:
        out.print(f"  {note}", markup=False, soft_wrap=True)
    table = Table("", "original", "pruned", "change")
    for title, one, other in (
        ("parameter memory", before.parameter_bytes, after.parameter_bytes),
        ("multiply-accumulates", before.macs, after.macs),
    ):
        table.add_row(title, f"{one:,}", f"{other:,}", f"{change(other / one - 1)}%")
    out.print(table)
    out.print(f"report: {out_dir / 'report.json'}", markup=False, soft_wrap=True)
