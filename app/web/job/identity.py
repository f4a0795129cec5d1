"""What a job is and how it is made again: the command, the versions and the digests."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.catalog.offers import is_registered
from app.catalog.records import Upload
from app.jobs.records import Job
from primesvt_client.another_budget import limit_of
from primesvt_client.states import Priority
from primesvt_client.written_options import options_of
from primesvt_core.report.schema import Report

SPEC_FILE, PLAN_FILE = "spec.json", "plan.json"
NO_FILE = {"checkpoint": "CHECKPOINT", "data": "DATA", "train_data": "TRAINING_DATA"}
"""What stands for files whose uploads are deleted."""


@dataclass(frozen=True)
class Digest:
    """The digest of something, and what kind it is."""

    what: str
    name: str
    digest: str


@dataclass(frozen=True)
class Identity:
    """How a job is told apart from others, and made again.

    Attributes:
        command: submits it again.
        files: what the command reads beside the inputs, which the page shows: the spec, the plan.
        versions: of what computed it, by name.
        digests: of what went in and came out.
    """

    command: str
    files: tuple[str, ...]
    versions: Mapping[str, str]
    digests: tuple[Digest, ...]


def identity(job: Job, uploads: Mapping[str, Upload], report: Report | None) -> Identity:
    """The identity of a job.

    Args:
        job: of the team.
        uploads: its inputs, by id; those that are not deleted.
        report: if it has one that can be read.
    """
    words, files = _words(job, uploads)
    versions = {} if report is None else {"primesvt": report.primesvt_version, **report.environment}
    return Identity(shlex.join(words), files, versions, tuple(_digests(job, uploads, report)))


def _words(job: Job, uploads: Mapping[str, Upload]) -> tuple[list[str], tuple[str, ...]]:
    """The words of the command, and the files that it reads."""
    begin = ["primesvt", "submit"]
    end = [*(() if job.priority is Priority.NORMAL else ("--priority", job.priority.value)), "--name", job.name]
    if job.parent_id is not None:
        [(name, value)] = limit_of(job.spec["budget"]).items() or [("max_accuracy_drop", 0.0)]
        return [*begin, "--parent", job.parent_id, f"--{name.replace('_', '-')}", str(value), *end], ()
    inputs = [_file(job.checkpoint_id, "checkpoint", uploads)]
    if job.dataset_id:
        inputs += ["--data", _file(job.dataset_id, "data", uploads)]
    if job.train_dataset_id:
        inputs += ["--train-data", _file(job.train_dataset_id, "train_data", uploads)]
    files: tuple[str, ...] = ()
    if job.plan is not None:
        inputs += ["--plan", PLAN_FILE]
        files += (PLAN_FILE,)
    options = options_of(job.spec)
    if options is None:
        options = ["--spec", SPEC_FILE]
        files += (SPEC_FILE,)
    return [*begin, *inputs, *options, *end], files


def _file(upload_id: str, role: str, uploads: Mapping[str, Upload]) -> str:
    """The name of an input, which no command takes for an option; the id of a data set that the service has."""
    if is_registered(upload_id):
        return upload_id
    upload = uploads.get(upload_id)
    if upload is None:
        return NO_FILE[role]
    return f"./{upload.name}" if upload.name.startswith("-") else upload.name


def _digests(job: Job, uploads: Mapping[str, Upload], report: Report | None) -> Iterator[Digest]:
    named = (("Checkpoint", job.checkpoint_id), ("Data", job.dataset_id), ("Training data", job.train_dataset_id))
    for what, upload_id in named:
        upload = uploads.get(upload_id or "")
        if upload is not None and upload.sha256:
            yield Digest(what, upload.name, upload.sha256)
        elif report is not None and what == "Checkpoint":
            yield Digest(what, "", report.checkpoint_sha256)
    if report is not None:
        yield Digest("Data set fingerprint", report.data.name, report.data.fingerprint)
        yield Digest("Delivered model", "model.safetensors", report.model_sha256)
