"""submit, status, cancel, retry, download, delete: the jobs of a server."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import JsonValue
from rich.markup import escape

from primesvt_client.commands.api_options import (
    DEFAULT_SERVER,
    JobId,
    Key,
    Server,
    Wait,
    byte_bar,
    connect,
    fail_unless_succeeded,
    follow,
    print_estimate,
    print_job,
)
from primesvt_client.commands.demanding import FailUnless, demand
from primesvt_client.commands.job_lists import list_jobs as list_jobs  # under whose name it was installed first
from primesvt_client.commands.preflight import print_preflight
from primesvt_client.commands.requests import Files, Label, OfFiles, OfParent, of_files, of_parent
from primesvt_client.commands.serving_options import on_server, on_server_with_spec
from primesvt_client.console import WRONG_INPUT, err, fail, out, print_json
from primesvt_client.errors import SpecError
from primesvt_client.facts import DataSetFacts, ProblemFacts
from primesvt_client.options import Json, MaybeCheckpoint, MaybeData, TrainData, takes_submitted_spec
from primesvt_client.schemas.jobs import JobView, PreflightView
from primesvt_client.schemas.uploads import UploadView
from primesvt_client.states import Priority, UploadKind, UploadState, Verdict

if TYPE_CHECKING:
    from primesvt_client import Client

REGISTERED = re.compile(r"dat_[0-9a-z]{26}")


@takes_submitted_spec
@on_server_with_spec
def submit(
    document: dict[str, JsonValue],
    checkpoint: MaybeCheckpoint = None,
    data: MaybeData = None,
    train_data: TrainData = None,
    plan: Annotated[
        Path | None,
        typer.Option(
            help="Search for nothing, prune at these rates: report.json of a finished run, or a YAML or JSON file of"
            " rates by channel group or pattern (*, ?). Without --data the checkpoint is sliced, and nothing is"
            " measured.",
        ),
    ] = None,
    parent: Annotated[
        str | None,
        typer.Option(
            metavar="JOB",
            help="Take another point of a finished job's curve, for another --max-accuracy-drop, or --max-disagreement,"
            " without profiling again. Everything else is that job's: give neither files nor other options of the"
            " spec.",
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the job; made of the files' names if not given.")] = "",
    priority: Annotated[Priority, typer.Option(help="Among the team's queued jobs.")] = Priority.NORMAL,
    tag: Annotated[
        list[str] | None, typer.Option(help="Short text to find the job by; may be given several times.")
    ] = None,
    note: Annotated[str, typer.Option(help="Free text for people.")] = "",
    wait: Wait = False,
    fail_unless: FailUnless = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Queue nothing: upload what the service does not have, print what is known of the job (classes, images"
            " per split, smallest provable drop, largest memory saving, time) and what is in its way; exit with 2 if"
            " anything is.",
        ),
    ] = False,
    server: Server = DEFAULT_SERVER,
    api_key: Key = "",
    json: Json = False,
) -> None:
    """Upload a checkpoint and a data set to a service, and queue a compression; or another budget, or a plan."""
    if dry_run and wait:
        raise SpecError("--wait is for a job, and --dry-run queues none: leave one of them out")
    check_waits(wait, fail_unless)
    files = Files(checkpoint=checkpoint, data=data, train_data=train_data, plan=plan)
    asked: OfFiles | OfParent = of_files(files, document) if parent is None else of_parent(parent, files, document)
    with connect(server, api_key) as client:
        uploads = [wait_until_ready(client, send(client, path, kind)) for path, kind in asked.paths]
        if dry_run:
            _look_ahead(asked.preflight(client, uploads), json=json)
            return
        for upload in uploads:
            print_notes(upload)
        label = Label(name=name, priority=priority, tags=tuple(tag or ()), note=note)
        _finish(client, asked.submit(client, uploads, label), wait=wait, json=json, wanted=fail_unless)


def send(client: Client, path: Path, kind: UploadKind) -> UploadView:
    """Send a file or folder, with a bar; a data set that the service has already is named by its id."""
    if REGISTERED.fullmatch(str(path)) and not path.exists():
        return client.get_upload(str(path))
    with byte_bar(f"uploading {path.name}") as on_bytes:
        return client.upload(path, kind, on_bytes)


def wait_until_ready(client: Client, upload: UploadView) -> UploadView:
    """The upload once the service has validated it; exit if it rejects it."""
    with err.status(f"the service validates {escape(upload.name)}"):
        upload = client.wait_upload(upload.id)
    if upload.state is not UploadState.READY:
        problem = upload.problem or ProblemFacts()
        code, detail = problem.code or f"upload_{upload.state.value}", problem.detail or f"it is {upload.state.value}"
        fail(code, detail if upload.name in detail else f"{upload.name}: {detail}", WRONG_INPUT)
    return upload


def print_notes(upload: UploadView) -> None:
    """What validation noted of a data set."""
    if isinstance(upload.facts, DataSetFacts):
        for note in upload.facts.notes or ():
            err.print(f"{upload.name}: {note}", markup=False, soft_wrap=True)


@on_server
def status(
    job: JobId,
    wait: Wait = False,
    fail_unless: FailUnless = None,
    server: Server = DEFAULT_SERVER,
    api_key: Key = "",
    json: Json = False,
) -> None:
    """Show the state of a job and, while it is not over, when it is expected to end."""
    check_waits(wait, fail_unless)
    with connect(server, api_key) as client:
        found = client.job(job)
        _finish(client, found, wait=wait, json=json, wanted=fail_unless)
        if not (wait or json or found.state.is_terminal):
            print_estimate(client.estimate(job))


@on_server
def cancel(job: JobId, server: Server = DEFAULT_SERVER, api_key: Key = "", json: Json = False) -> None:
    """Cancel a job: at once if it is queued, otherwise within a few seconds."""
    with connect(server, api_key) as client:
        _finish(client, client.cancel(job), wait=False, json=json)


@on_server
def prioritise(
    job: JobId,
    priority: Annotated[Priority, typer.Argument(help="low, normal or high.")],
    server: Server = DEFAULT_SERVER,
    api_key: Key = "",
    json: Json = False,
) -> None:
    """Change the priority of a queued job among the team's."""
    with connect(server, api_key) as client:
        _finish(client, client.prioritise(job, priority), wait=False, json=json)


@on_server
def retry(
    job: JobId, wait: Wait = False, server: Server = DEFAULT_SERVER, api_key: Key = "", json: Json = False
) -> None:
    """Queue a new job with the inputs of one that failed or was cancelled."""
    with connect(server, api_key) as client:
        _finish(client, client.retry(job), wait=wait, json=json)


@on_server
def delete(job: JobId, server: Server = DEFAULT_SERVER, api_key: Key = "") -> None:
    """Delete a finished job and its artifacts."""
    with connect(server, api_key) as client:
        client.delete(job)
    err.print(f"{job} is deleted")


@on_server
def download(
    job: JobId,
    out_dir: Annotated[Path, typer.Option("--out", help="Folder for the files.", show_default=False)],
    server: Server = DEFAULT_SERVER,
    api_key: Key = "",
    json: Json = False,
) -> None:
    """Download the pruned model and the report of a finished job; resumes interrupted downloads."""
    with connect(server, api_key) as client:
        paths = fetch(client, job, out_dir)
    if json:
        print_json({"id": job, "files": [str(path) for path in paths]})
        return
    for path in paths:
        out.print(str(path), soft_wrap=True, markup=False)


def fetch(client: Client, job_id: str, out_dir: Path) -> list[Path]:
    """All artifacts of a job, with a bar."""
    with byte_bar("downloading") as on_bytes:
        return client.download(job_id, out_dir, on_bytes)


def _look_ahead(found: PreflightView, *, json: bool) -> None:
    """Show what is known of a job; exit with a status for scripts if anything is in its way."""
    if json:
        print_json(found.model_dump(mode="json"))
    else:
        print_preflight(found)
    if found.problems:
        sys.exit(WRONG_INPUT)


def check_waits(wait: bool, wanted: list[Verdict] | None) -> None:
    """Refuse to ask for a verdict before there is one.

    Raises:
        SpecError: with what to do.
    """
    if wanted and not wait:
        raise SpecError("--fail-unless is of the verdict, which a job has once it is over: give --wait, too")


def _finish(client: Client, job: JobView, *, wait: bool, json: bool, wanted: list[Verdict] | None = None) -> None:
    """Show a job, followed to its end first if that is wanted."""
    if wait:
        job = follow(client, job.id)
    if json:
        print_json(job.model_dump(mode="json"))
    else:
        print_job(job)
    if wait:
        fail_unless_succeeded(job)
        demand(job.verdict, wanted)
