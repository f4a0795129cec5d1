"""list, change, archive, unarchive: the jobs of a server, and the order that people keep among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from primesvt_client.commands.api_options import DEFAULT_SERVER, JobId, Key, Server, connect, print_job
from primesvt_client.commands.serving_options import on_server
from primesvt_client.console import err, out, print_json
from primesvt_client.errors import SpecError
from primesvt_client.facts import ResultSummary
from primesvt_client.options import Json
from primesvt_client.states import Archived, JobSort, JobState, SortOrder, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from primesvt_client.schemas.jobs import ListedJobView

LISTED = 50
ID_WIDTH = 30
"""Of a job's id, which users copy: it is never truncated."""

JobIds = Annotated[list[str], typer.Argument(metavar="JOB...", help="Ids of jobs: job_…", show_default=False)]


@on_server
def list_jobs(
    state: Annotated[
        list[JobState] | None, typer.Option(help="Only jobs in this state; may be given several times.")
    ] = None,
    query: Annotated[
        str, typer.Option(help="Only jobs that have this in their name or note, as a tag, or as their id.")
    ] = "",
    tag: Annotated[list[str] | None, typer.Option(help="Only jobs with this tag; with all that are given.")] = None,
    verdict: Annotated[
        list[Verdict] | None, typer.Option(help="Only jobs with this verdict; may be given several times.")
    ] = None,
    submitted_by: Annotated[str, typer.Option(help="Only jobs of this person, or of this API key.")] = "",
    checkpoint: Annotated[
        str, typer.Option(metavar="UPLOAD", help="Only jobs on this checkpoint, or on the same one uploaded again.")
    ] = "",
    dataset: Annotated[str, typer.Option(metavar="UPLOAD", help="Only jobs on this data set; likewise.")] = "",
    archived: Annotated[
        Archived, typer.Option(help="Whether archived jobs are listed, too, or alone.")
    ] = Archived.EXCLUDE,
    sort: Annotated[JobSort, typer.Option(help="What the list is sorted by.")] = JobSort.CREATED,
    order: Annotated[
        SortOrder | None,
        typer.Option(help="Usually the newest or largest first; of drop and name the smallest.", show_default=False),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Number of jobs to show.")] = LISTED,
    server: Server = DEFAULT_SERVER,
    api_key: Key = "",
    json: Json = False,
) -> None:
    """List the team's jobs, newest first if nothing else is asked for."""
    with connect(server, api_key) as client:
        found = client.jobs(
            state or (), query, tags=tag or (), verdicts=verdict or (), checkpoint_id=checkpoint, dataset_id=dataset,
            submitted_by=submitted_by, archived=archived, sort=sort, order=order,
        )  # fmt: skip
        jobs = [job for job, _ in zip(found, range(limit), strict=False)]
    if json:
        print_json([job.model_dump(mode="json") for job in jobs])
    elif jobs:
        out.print(_table(jobs))
    else:
        out.print("no jobs")


def _table(jobs: Sequence[ListedJobView]) -> Table:
    has_tags = any(job.tags for job in jobs)
    job_column = Column("job", min_width=ID_WIDTH, no_wrap=True)
    columns = map(_narrow, ("state", "saved", "drop", "created"))
    table = Table(job_column, *columns, "name", *(["tags"] if has_tags else []), box=None)
    for job in jobs:
        created = f"{job.created_at.astimezone():%m-%d %H:%M}"
        figures = job.summary or ResultSummary()
        saved, drop = _hundredths(figures.memory_saving, "%"), _hundredths(figures.accuracy_drop, " pts")
        outcome = job.verdict or job.state.value
        cells = [escape(job.id), escape(outcome), saved, drop, created, escape(job.name)]
        table.add_row(*cells, *([escape(", ".join(job.tags))] if has_tags else []))
    return table


@on_server
def change(
    job: JobId,
    tag: Annotated[
        list[str] | None,
        typer.Option(help="Tag that it is to have, in place of all it has; may be given several times."),
    ] = None,
    no_tags: Annotated[bool, typer.Option("--no-tags", help="Take all tags away.")] = False,
    note: Annotated[
        str | None, typer.Option(help="Free text for people, in place of what there is; empty for none.")
    ] = None,
    server: Server = DEFAULT_SERVER,
    api_key: Key = "",
    json: Json = False,
) -> None:
    """Change the tags or the note of a job, in whatever state it is."""
    if tag and no_tags:
        raise SpecError("--tag gives tags, and --no-tags takes all away: leave one of them out")
    if not tag and not no_tags and note is None:
        raise SpecError("nothing is to be changed: give --tag, --no-tags or --note")
    with connect(server, api_key) as client:
        changed = client.change(job, tags=[] if no_tags else tag or None, note=note)
    if json:
        print_json(changed.model_dump(mode="json"))
    else:
        print_job(changed)


@on_server
def archive(jobs: JobIds, server: Server = DEFAULT_SERVER, api_key: Key = "") -> None:
    """Archive jobs that are over: lists leave them out, and their files stay. All of them, or none."""
    with connect(server, api_key) as client:
        count = client.archive(jobs)
    err.print(f"{count} {_jobs(count)} archived")


@on_server
def unarchive(jobs: JobIds, server: Server = DEFAULT_SERVER, api_key: Key = "") -> None:
    """Have lists show archived jobs again. All of them, or none."""
    with connect(server, api_key) as client:
        count = client.unarchive(jobs)
    err.print(f"{count} {_jobs(count)} no longer archived")


def _jobs(count: int) -> str:
    return "job is" if count == 1 else "jobs are"


def _narrow(title: str) -> Column:
    return Column(title, no_wrap=True)


def _hundredths(fraction: float | None, unit: str) -> str:
    return "" if fraction is None else f"{100 * fraction:.2f}{unit}"
