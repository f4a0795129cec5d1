"""The form of a new job."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import JsonValue
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData

from app.api.deps import Services, validate_id
from app.catalog.example import add_example
from app.catalog.records import Upload
from app.catalog.states import UploadKind, UploadState
from app.errors import DomainError
from app.example_files import BUDGET
from app.jobs.records import NewJob
from app.paging import LARGEST_PAGE
from app.teams.scopes import Scope
from app.web import form_fields, form_preflight, forms
from app.web.form_files import page_form
from app.web.form_job import job_of, priority_of
from app.web.form_recognised import recognised
from app.web.form_uploads import chosen_file, store, text_fields
from app.web.offered import offered
from app.web.rendering import HEADERS, page
from app.web.routing import PageRouter
from app.web.sessions import PageUser, form_access, page_access
from primesvt_client.states import Priority
from primesvt_core.errors import PrimeSVTError

router = PageRouter()

Submitter = Annotated[PageUser, page_access(Scope.JOBS_WRITE, Scope.UPLOADS_WRITE)]
ExampleUser = Annotated[PageUser, form_access(Scope.JOBS_WRITE, Scope.UPLOADS_WRITE)]

CHECK = "check"
"""Name of the button that asks for the preflight alone, where no script does."""

EXAMPLE_NAME = "Example: Spikformer on handwritten digits"
LONGEST_VALUE = 1000
"""Of an input in an address."""

SELECTABLE = (UploadState.READY, UploadState.VALIDATING, UploadState.STORED)


@dataclass(frozen=True)
class FileInput:
    """A file of a job: an existing upload, or one sent with the form."""

    name: str
    kind: UploadKind
    label: str
    hint: str
    accept: str
    is_required: bool = True

    @property
    def upload_name(self) -> str:
        """Name of the file input; the select has `name`."""
        return f"{self.name}_file"


DATA_FORMATS = ".zip,.tar,.gz,.tgz,.xz,.npz,.parquet"
INPUTS = (
    FileInput(
        "checkpoint_id",
        UploadKind.CHECKPOINT,
        "Checkpoint",
        "The trained model: .pth, .pt, .pth.tar or .safetensors. No code of it is executed.",
        ".pth,.pt,.tar,.safetensors,.bin,.ckpt",
    ),
    FileInput(
        "dataset_id",
        UploadKind.DATASET,
        "Evaluation data",
        "Labelled images: .zip or .tar with one folder per class, .npz, Parquet, IDX or CIFAR archives.",
        DATA_FORMATS,
    ),
)
TRAINING = FileInput(
    "train_dataset_id",
    UploadKind.DATASET,
    "Training data",
    "For fine-tuning; if empty, a part of the evaluation data is used.",
    DATA_FORMATS,
    is_required=False,
)


FILE_INPUTS = tuple(entry.upload_name for entry in (*INPUTS, TRAINING))
"""Whose files no preflight is sent."""


@router.get("/new")
def show_form(
    request: Request,
    user: Submitter,
    services: Services,
    like: Annotated[str, Query(max_length=60)] = "",
    change: Annotated[str, Query(max_length=60)] = "",
) -> Response:
    """An empty form, or one with the settings of the job ``like``; further inputs in its address are filled in.

    The input ``change`` has the focus.
    """
    values = _values_of(services, user.team_id, validate_id(like)) if like else forms.DEFAULTS
    return _form(request, user, services, {**values, **_filled_in(request)}, {}, change=change)


def _filled_in(request: Request) -> dict[str, str]:
    """The inputs that the address of the form fills in."""
    names = {entry.name for entry in (*form_fields.FIELDS, *form_fields.policy_fields())}
    names |= {entry.name for entry in (*INPUTS, TRAINING)}
    return {name: value[:LONGEST_VALUE] for name, value in request.query_params.items() if name in names}


@router.post("/new/example")
def submit_example(
    user: ExampleUser, services: Services, submission: Annotated[str, Form(max_length=60)] = ""
) -> Response:
    """Queue the example that comes with the service."""
    files = add_example(services.catalog, user.team_id)
    spec: dict[str, JsonValue] = {"budget": dict(BUDGET)}
    checkpoint, data = files[UploadKind.CHECKPOINT], files[UploadKind.DATASET]
    new = NewJob(checkpoint_id=checkpoint.id, dataset_id=data.id, spec=spec, name=EXAMPLE_NAME)
    job = services.jobs.submit(user.team_id, new, _idempotency(submission, new))
    return RedirectResponse(f"/jobs/{job.id}", 303, HEADERS)


@router.file_route("POST", "/new")
async def submit(request: Request, user: Submitter, services: Services) -> Response:
    """Queue the job, or show the form again with its errors."""
    async with page_form(request, user, services) as form:
        return await run_in_threadpool(_submit, request, user, services, form)


@router.post("/new/preflight")
async def show_preflight(request: Request, user: Submitter, services: Services) -> Response:
    """What is known of the job that the form asks for; part of its page. Nothing is queued."""
    async with page_form(request, user, services) as form:
        values = text_fields(form)
    known = await run_in_threadpool(_known, services, user.team_id, values)
    return page(request, "_preflight.html", is_fragment=True, **known)


def _known(services: Services, team: str, values: Mapping[str, str]) -> dict[str, object]:
    """What is known of the chosen uploads, and of the job."""
    preview, found = form_preflight.preview(services, team, values), recognised(services, team, values)
    is_waiting = preview.is_waiting or any(one.is_waiting for one in found)
    return {"preview": preview, "recognised": found, "is_waiting": is_waiting}


def _submit(request: Request, user: PageUser, services: Services, form: FormData) -> Response:
    values = text_fields(form)
    values |= form_preflight.taken(values)
    reading = forms.read(values)
    errors = dict(reading.errors)
    try:
        values |= _stored_files(services, user.team_id, form)
        errors |= _missing(values)
        if {CHECK, form_preflight.TAKE} & {*values}:
            return _form(request, user, services, values, errors)
        if not errors:
            return _queued(user, services, values, reading)
    except (DomainError, PrimeSVTError) as error:
        errors[""] = error.message
    return _form(request, user, services, values, errors, 422)


def _stored_files(services: Services, team: str, form: FormData) -> dict[str, str]:
    """Store the files of the form, so that they need not be sent again if the form has errors."""
    stored = {}
    for entry in (*INPUTS, TRAINING):
        file = chosen_file(form, entry.upload_name)
        if file is not None:
            stored[entry.name] = store(services, team, entry.kind, file).id
    return stored


def _missing(values: Mapping[str, str]) -> dict[str, str]:
    return {e.name: "Choose an upload or a file." for e in INPUTS if e.is_required and not values.get(e.name)}


def _queued(user: PageUser, services: Services, values: Mapping[str, str], reading: forms.Reading) -> Response:
    new = job_of(values, reading.spec)
    job = services.jobs.submit(user.team_id, new, _idempotency(values.get("submission", ""), new))
    return RedirectResponse(f"/jobs/{job.id}", 303, HEADERS)


def _idempotency(submission: str, new: NewJob) -> str:
    """The same form submitted twice by a double click is one job; changed and submitted again it is another."""
    content = json.dumps([submission, new.__dict__], sort_keys=True)
    return "form-" + hashlib.sha256(content.encode()).hexdigest()


def _values_of(services: Services, team: str, job_id: str) -> dict[str, str]:
    job = services.jobs.get(team, job_id)
    files = {"checkpoint_id": job.checkpoint_id, "dataset_id": job.dataset_id}
    return {
        **files,
        "train_dataset_id": job.train_dataset_id or "",
        "name": job.name,
        "priority": job.priority.value,
        **forms.values_of(job.spec),
    }


def _form(
    request: Request,
    user: PageUser,
    services: Services,
    values: Mapping[str, str],
    errors: Mapping[str, str],
    status: int = 200,
    change: str = "",
) -> Response:
    parameters = form_fields.policy_fields()
    advanced = {entry.name for entry in (*form_fields.ADVANCED, *parameters)} | {TRAINING.name}
    return page(
        request,
        "new.html",
        status,
        user=user,
        values=values,
        errors=errors,
        inputs=INPUTS,
        training=TRAINING,
        budget=form_fields.BUDGET,
        advanced=(*form_fields.ADVANCED, *parameters),
        is_open=change in advanced or any(values.get(name) for name in advanced if name != "preset"),
        change=change,
        choices={kind.value: _choices(services, user.team_id, kind) for kind in UploadKind},
        priorities=[*Priority],
        priority=priority_of(values),
        submission=secrets.token_urlsafe(16),
        part_bytes=services.settings.part_bytes,
        file_inputs=FILE_INPUTS,
        is_fragment=False,
        **_known(services, user.team_id, values),
    )


def _choices(services: Services, team: str, kind: UploadKind) -> list[Upload]:
    uploads = services.catalog.search(team, kind, None, None, LARGEST_PAGE).items
    return [*offered(services, team, kind), *(upload for upload in uploads if upload.state in SELECTABLE)]
