"""What the command line shows: progress for people, JSON for machines, errors with a code and an exit status."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from typing import NoReturn

import typer
from pydantic import JsonValue
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from primesvt_client.errors import ReportedError
from primesvt_client.facts import CandidateFacts, CellFacts, DisagreementFacts, TrialFacts
from primesvt_client.progress import Progress, Reporter
from primesvt_client.shares import rate_text
from primesvt_client.terminal import Terminal

WRONG_INPUT, FAILED, INTERRUPTED = 2, 1, 130

err = Terminal(stderr=True, highlight=False)
out = Terminal(highlight=False)

TITLES = {
    "intake": "reading checkpoint and data", "baseline": "measuring the original", "sort": "sorting layers",
    "profile": "profiling robustness", "search": "searching", "fine_tune": "fine-tuning",
    "confirm": "confirming on unseen data", "export": "writing the model", "report": "writing the report",
}  # fmt: skip


def run(app: typer.Typer | Callable[[], None]) -> None:
    """Run a command line; turn what it raises into a message and an exit status, never into a traceback."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # names on disk are bytes in any encoding
    try:
        app()
    except ReportedError as error:
        fail(error.error_code, error.message, WRONG_INPUT if error.is_input else FAILED)
    except OSError as error:
        fail("file_error", str(error), FAILED)
    except UnicodeEncodeError as error:  # half a character, from bytes of the command line that are no UTF-8
        fail("no_text", f"{error.object!r} cannot be written as {error.encoding}; give it in UTF-8", WRONG_INPUT)
    except (KeyboardInterrupt, typer.Abort):
        err.print("\nstopped")
        with suppress(OSError):  # nobody reads it any more
            sys.stdout.flush()
        # At once: Python would wait for a thread that was just being started, and that nobody will ever end.
        os._exit(INTERRUPTED)


def fail(code: str, message: str, status: int) -> NoReturn:
    """Print an error and leave."""
    err.print(f"[bold red]error[/] \\[{code}] ", end="")
    err.print(message, markup=False, soft_wrap=True)
    sys.exit(status)


def print_json(document: JsonValue) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(document, indent=2) + "\n")
    sys.stdout.flush()


@contextmanager
def progress_bars(**titles: str) -> Iterator[Reporter]:
    """A reporter that draws a bar a step on a terminal, and prints lines elsewhere; ``titles`` replace a step's."""
    shown = TITLES | titles
    if not err.is_terminal:
        yield _lines(shown)
        return
    times = (TimeElapsedColumn(), TimeRemainingColumn(compact=True))
    columns = (TextColumn("{task.description:<28}", markup=False), BarColumn(), MofNCompleteColumn(), *times)
    with Bars(*columns, TextColumn("{task.fields[note]}", markup=False), console=err) as bars:
        tasks: dict[str, TaskID] = {}

        def show(progress: Progress) -> None:
            step = str(progress.step)
            if step not in tasks:
                tasks[step] = bars.add_task(shown.get(step, step), total=progress.total, note="")
            bars.update(tasks[step], completed=progress.done, total=progress.total, note=describe(progress))

        yield show


def _lines(titles: Mapping[str, str]) -> Reporter:
    """A line when a step begins, and one for every quarter of a step whose length is known."""
    reached: dict[str, tuple[int | None, int]] = {}

    def show(progress: Progress) -> None:
        step = str(progress.step)
        quarter = 4 * progress.done // progress.total if progress.total else 0
        total, before = reached.get(step, (progress.total, 0))
        if total != progress.total:  # it has turned out longer
            before = 0
        if step not in reached:
            err.print(f"{titles.get(step, step)} ...", markup=False)
        elif before < quarter < 4:
            err.print(f"  {progress.done} of {progress.total}")
        reached[step] = progress.total, max(quarter, before)

    return show


def describe(progress: Progress) -> str:
    """A report in a few words."""
    facts = progress.facts
    parts = [progress.note] if progress.note else []
    if isinstance(facts, CellFacts | CandidateFacts):
        where = [f"{facts.group} at {rate_text(facts.rate)}"] if facts.group else []
        parts += [*where, f"accuracy {100 * facts.accuracy:.1f} %"]
    if isinstance(facts, DisagreementFacts):
        where = [f"{facts.group} at {rate_text(facts.rate)}"] if facts.group else []
        parts += [*where, f"disagreement {100 * facts.disagreement:.1f} %"]
        parts += [] if facts.memory_saving is None else [f"saves {100 * facts.memory_saving:.1f} %"]
    if isinstance(facts, CandidateFacts | TrialFacts):
        parts.append(f"saves {100 * facts.memory_saving:.1f} %")
    return ", ".join(parts)
