"""Options and output that all commands of the server's API share: address, key, progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
from rich.progress import Progress as Bars

from primesvt_client.console import FAILED, err, fail, out, progress_bars
from primesvt_client.durations import in_words
from primesvt_client.errors import SpecError
from primesvt_client.facts import ProblemFacts
from primesvt_client.progress import Progress
from primesvt_client.schemas.jobs import EstimateView, EventView, JobView
from primesvt_client.states import JobState

if TYPE_CHECKING:  # httpx is read when a command uses it: --help does not
    from primesvt_client import Client
    from primesvt_client.job import OnEvent
    from primesvt_client.parts import OnBytes

SERVER_VARIABLE, KEY_VARIABLE = "PRIMESVT_SERVER", "PRIMESVT_API_KEY"
DEFAULT_SERVER = "http://127.0.0.1:8000"

Server = Annotated[str, typer.Option("--server", envvar=SERVER_VARIABLE, help="Address of the service.")]
Key = Annotated[
    str,
    typer.Option(
        "--api-key", envvar=KEY_VARIABLE, show_default=False,
        help="API key; prefer the variable: other users can see command lines.",
    ),
]  # fmt: skip
JobId = Annotated[str, typer.Argument(metavar="JOB", help="Id of a job: job_…", show_default=False)]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until the job is over; exit with 1 if it fails.")]


def connect(server: str, key: str) -> Client:
    """A client of the server.

    Raises:
        SpecError: there is no key.
    """
    if not key:
        raise SpecError(
            f"no API key: set {KEY_VARIABLE} to a key of the service ('primesvt serve' shows the first one;"
            " 'primesvt keys create' makes more), or choose a profile (--profile; 'primesvt profiles add' makes one)",
            code="no_api_key",
        )
    from primesvt_client import Client

    return Client(server, key)


@contextmanager
def byte_bar(title: str) -> Iterator[OnBytes]:
    """A bar of bytes on a terminal; a line elsewhere."""
    if not err.is_terminal:
        err.print(f"{title} ...", markup=False)
        yield lambda _done, _total: None
        return
    columns = (TextColumn("{task.description:<28}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Bars(*columns, console=err) as bars:
        task = bars.add_task(title, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=max(total, 1))


def follow(client: Client, job_id: str) -> JobView:
    """Show the progress of a job until it is over. Ctrl-C stops the watching, not the job."""
    try:
        with progress_bars() as report:
            return client.wait(job_id, _shown(report))
    except KeyboardInterrupt:
        err.print(
            f"\nstopped watching; the job continues: 'primesvt status {job_id}', 'primesvt cancel {job_id}'",
            markup=False,
            soft_wrap=True,
        )
        raise


def _shown(report: Callable[[Progress], None]) -> OnEvent:
    def show(event: EventView) -> None:
        data, progress = event.data, event.progress
        if progress is not None:
            report(progress)
        elif data.get("state") == JobState.QUEUED and "reason" in data:
            err.print(f"back in the queue: {data['reason']}", markup=False)

    return show


def print_job(job: JobView) -> None:
    """A job in a few lines."""
    out.print(f"[bold]{escape(job.id)}[/] {job.state.value}", end="")
    out.print(f"  {job.name}", markup=False)
    if job.tags:
        out.print(f"  tags {', '.join(job.tags)}", markup=False, soft_wrap=True)
    if job.note:
        out.print(f"  note {job.note}", markup=False, soft_wrap=True)
    if job.state is JobState.QUEUED and job.queue_position is not None:
        out.print(f"  number {job.queue_position} in the queue")
    if job.progress and not job.state.is_terminal:
        total = job.progress.total
        out.print(f"  step {job.progress.step}: {job.progress.done}{f' of {total}' if total else ''}", markup=False)
    if job.verdict and job.summary:
        before, after = job.summary.baseline_accuracy or 0.0, job.summary.pruned_accuracy or 0.0
        saved = job.summary.memory_saving or 0.0
        figures = f"{saved:.2%} of memory saved, accuracy {before:.2%} -> {after:.2%}"
        out.print(f"  verdict {job.verdict}: {figures}", markup=False)
        if job.summary.macs_before and job.summary.macs_after is not None:
            fewer = 1 - job.summary.macs_after / job.summary.macs_before
            out.print(f"  {fewer:.2%} of multiply-accumulates saved")
    if job.problem:
        out.print(f"  {job.problem.code}: {job.problem.detail}", markup=False, soft_wrap=True)


def print_estimate(estimate: EstimateView) -> None:
    """When a job that is not over is expected to start and end."""
    begins, ends = estimate.starts_in_seconds, estimate.ends_in_seconds
    if begins:
        out.print(f"  starts in about {in_words(begins)}")
    if ends is not None:
        out.print(f"  ends in about {in_words(ends)}")
    elif estimate.reason:
        out.print(f"  no estimate yet: {estimate.reason}", markup=False, soft_wrap=True)


def fail_unless_succeeded(job: JobView) -> None:
    """Exit with a status for scripts."""
    if job.state is not JobState.SUCCEEDED:
        problem = job.problem or ProblemFacts()
        fail(problem.code or f"job_{job.state.value}", problem.detail or f"the job is {job.state.value}", FAILED)
