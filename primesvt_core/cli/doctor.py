"""The command ``doctor``: what this machine has, what it lacks, and what a report of a fault must say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from primesvt_client.console import FAILED, out, print_json
from primesvt_client.options import Json

if TYPE_CHECKING:
    from primesvt_core.diagnosis import Finding

GROUP = "primesvt.diagnoses"
MARKS = {"good": "[green]good [/]", "noted": "noted", "bad": "[red]bad  [/]"}


def doctor(
    gpu: Annotated[
        bool,
        typer.Option(
            "--gpu",
            help="Compare the first GPU with the CPU, for two minutes at most: logits, decisions, the time of an"
            " evaluation.",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Look at this machine: versions, threads and extras; database, broker, storage and sandbox where the service is
    installed. Exits with 1 if anything is bad. Nothing is changed.
    """
    found: list[Finding] = []
    for finding in _findings(gpu=gpu):
        found.append(finding)
        if not json:
            out.print(f"{MARKS[finding.state]} {finding.part:<10} {escape(finding.detail)}", soft_wrap=True)
    bad = [finding for finding in found if finding.state == "bad"]
    if json:
        print_json({"healthy": not bad, "findings": [asdict(finding) for finding in found]})
    elif bad:
        out.print(f"\n{len(bad)} of these are bad. Whoever reports a fault adds all of this (--json for machines).")
    else:
        out.print("\nnothing is bad. Whoever reports a fault adds all of this (--json for machines).")
    if bad:
        raise typer.Exit(FAILED)


def _findings(*, gpu: bool) -> Iterator[Finding]:
    yield from import_module("primesvt_core.diagnosis.library").findings()
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        look: Callable[[], Iterable[Finding]] = entry.load()
        yield from look()
    if gpu:
        yield from import_module("primesvt_core.diagnosis.gpu").findings()
