"""The client itself."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import httpx
from pydantic import JsonValue

from primesvt_client.another_budget import limit_of
from primesvt_client.connection import Connection, is_temporary
from primesvt_client.downloading import fetch
from primesvt_client.errors import ClientError
from primesvt_client.following import events
from primesvt_client.job import Job, OnEvent
from primesvt_client.packing import as_file
from primesvt_client.parts import OnBytes
from primesvt_client.plan_files import essential
from primesvt_client.profiles import find_profile
from primesvt_client.schemas.datasets import DatasetView
from primesvt_client.schemas.jobs import (
    ArtifactView,
    Changed,
    EstimateView,
    EventView,
    JobPage,
    ListedJobView,
    PreflightView,
)
from primesvt_client.schemas.results import ComparisonView, ResultsView
from primesvt_client.schemas.uploads import UploadView
from primesvt_client.states import (
    Archived,
    JobSort,
    JobState,
    Priority,
    Scale,
    SortOrder,
    UploadKind,
    UploadState,
    Verdict,
)
from primesvt_client.team import TeamClient
from primesvt_client.uploading import ignore_bytes, send, source
from primesvt_client.webhooks import WebhookClient

PATIENCE_SECONDS = 300.0
"""How long a server may be unreachable while a job is followed, as during a restart."""

RECONNECT_SECONDS = 1.0
VALIDATION_POLL_SECONDS = 0.5
CHECKED = frozenset({UploadState.READY, UploadState.REJECTED, UploadState.EXPIRED})


class Client:
    """A server, seen with one API key. Use it as a context manager.

    Every method raises `ServerError` where the server refuses, and `Unreachable` where none answers after some tries.
    """

    def __init__(self, server: str, api_key: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self._connection = Connection(server, api_key, transport)
        self.webhooks = WebhookClient(self._connection)
        self.team = TeamClient(self._connection)

    @classmethod
    def of_profile(cls, name: str, *, path: Path | None = None) -> Client:
        """A client of a server that is kept by name, with its key.

        Args:
            name: of the profile.
            path: file of profiles; the user's own if not given.

        Raises:
            Unusable: there is no such profile, or others could read the file.
        """
        found = find_profile(name, path)
        return cls(found.server, found.api_key)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def upload(self, path: Path, kind: UploadKind, on_progress: OnBytes = ignore_bytes) -> UploadView:
        """Send a file, or a folder as an archive; resumes an interrupted upload of the same bytes.

        Args:
            path: file or folder.
            kind: what it is meant to be.
            on_progress: called with the bytes sent and their total.
        """
        with as_file(path) as (file, name):
            return send(self._connection, source(file, name), kind, on_progress)

    def get_upload(self, upload_id: str) -> UploadView:
        """One upload."""
        return self._connection.get(UploadView, f"uploads/{upload_id}")

    def wait_upload(self, upload_id: str) -> UploadView:
        """An upload once the server has validated it: ready, or rejected with its problem."""
        while (upload := self.get_upload(upload_id)).state not in CHECKED:
            time.sleep(VALIDATION_POLL_SECONDS)
        return upload

    def datasets(self) -> list[DatasetView]:
        """The data sets that the service has already: a job takes their ids in place of an upload's."""
        return self._connection.get(list[DatasetView], "datasets")

    def submit(
        self,
        checkpoint_id: str,
        dataset_id: str | None,
        spec: Mapping[str, JsonValue],
        *,
        name: str = "",
        train_dataset_id: str | None = None,
        plan: Mapping[str, JsonValue] | None = None,
        priority: Priority = Priority.NORMAL,
        tags: Sequence[str] = (),
        note: str = "",
        idempotency_key: str | None = None,
    ) -> Job:
        """Queue a compression; a request that is repeated because no answer came makes one job only.

        Args:
            checkpoint_id: an upload.
            dataset_id: likewise; None to carry out a plan without data.
            spec: a constraint spec.
            name: of the job; made of the files' names if not given.
            train_dataset_id: an upload to calibrate and to fine-tune on.
            plan: rates to carry out instead of searching: a report's document, or rates by channel group.
            priority: among the team's waiting jobs.
            tags: short texts to find it by.
            note: for people.
            idempotency_key: unique to this request; made if not given.
        """
        body = _inputs(checkpoint_id, dataset_id, spec, train_dataset_id, plan)
        return self._queue(body | _described(tags, note), name, priority, idempotency_key)

    def retarget(
        self,
        job_id: str,
        max_accuracy_drop: float | None = None,
        *,
        max_disagreement: float | None = None,
        name: str = "",
        priority: Priority = Priority.NORMAL,
        tags: Sequence[str] = (),
        note: str = "",
        idempotency_key: str | None = None,
    ) -> Job:
        """Queue another budget for a finished job: another point of its curve, without profiling again.

        Args:
            job_id: the finished job.
            max_accuracy_drop: that is allowed now, of a job that promised an accuracy drop.
            max_disagreement: that is allowed now, of a job that promised a disagreement.
            name: of the new job; the finished one's if not given.
            priority: among the team's waiting jobs.
            tags: short texts to find it by.
            note: for people.
            idempotency_key: unique to this request; made if not given.
        """
        body = _another_budget(job_id, max_accuracy_drop, max_disagreement)
        return self._queue(body | _described(tags, note), name, priority, idempotency_key)

    def _queue(self, body: dict[str, JsonValue], name: str, priority: Priority, key: str | None) -> Job:
        whole: dict[str, JsonValue] = {**body, "name": name, "priority": priority.value}
        return self._connection.post(Job, "jobs", whole, key or secrets.token_hex(16)).of(self)

    def preflight(
        self,
        checkpoint_id: str,
        dataset_id: str | None,
        spec: Mapping[str, JsonValue],
        *,
        train_dataset_id: str | None = None,
        plan: Mapping[str, JsonValue] | None = None,
    ) -> PreflightView:
        """What is known of a compression before it is queued, and what is in its way; nothing is queued."""
        body = _inputs(checkpoint_id, dataset_id, spec, train_dataset_id, plan)
        return self._connection.post(PreflightView, "jobs/preflight", body)

    def preflight_retarget(
        self, job_id: str, max_accuracy_drop: float | None = None, *, max_disagreement: float | None = None
    ) -> PreflightView:
        """The same of another budget for a finished job."""
        body = _another_budget(job_id, max_accuracy_drop, max_disagreement)
        return self._connection.post(PreflightView, "jobs/preflight", body)

    def job(self, job_id: str) -> Job:
        """One job."""
        return self._connection.get(Job, f"jobs/{job_id}").of(self)

    def estimate(self, job_id: str) -> EstimateView:
        """When a job will begin and end."""
        return self._connection.get(EstimateView, f"jobs/{job_id}/estimate")

    def jobs(
        self,
        states: Sequence[JobState] = (),
        query: str = "",
        *,
        tags: Sequence[str] = (),
        verdicts: Sequence[Verdict] = (),
        checkpoint_id: str = "",
        dataset_id: str = "",
        submitted_by: str = "",
        archived: Archived = Archived.EXCLUDE,
        sort: JobSort = JobSort.CREATED,
        order: SortOrder | None = None,
    ) -> Iterator[ListedJobView]:
        """Jobs, newest first if nothing else is asked for; all that is given must hold of each.

        Args:
            states: one of them.
            query: part of the name or of the note, a whole tag, or the id.
            tags: all of them.
            verdicts: one of them.
            checkpoint_id: an upload, or another one of the same bytes.
            dataset_id: likewise.
            submitted_by: name of a person or of a key.
            archived: whether archived jobs are among them.
            sort: what they are sorted by; jobs that lack it come last.
            order: the one that shows first what people look for, if not given.
        """
        given: dict[str, str | list[str]] = {
            "state": [state.value for state in states], "q": query, "tag": [*tags],
            "verdict": [verdict.value for verdict in verdicts], "checkpoint_id": checkpoint_id,
            "dataset_id": dataset_id, "submitted_by": submitted_by,
            "archived": "" if archived is Archived.EXCLUDE else archived.value,
            "sort": "" if sort is JobSort.CREATED else sort.value, "order": order.value if order else "",
        }  # fmt: skip
        params = {name: value for name, value in given.items() if value}
        cursor = ""
        while True:
            page = self._connection.get(JobPage, "jobs", params | ({"cursor": cursor} if cursor else {}))
            yield from page.items
            if page.next_cursor is None:
                return
            cursor = page.next_cursor

    def change(self, job_id: str, *, tags: Sequence[str] | None = None, note: str | None = None) -> Job:
        """Give a job, in whatever state, other tags or another note; None leaves what there is."""
        changes: dict[str, JsonValue] = {}
        if tags is not None:
            changes["tags"] = [*tags]
        if note is not None:
            changes["note"] = note
        return self._connection.patch(Job, f"jobs/{job_id}", changes).of(self)

    def archive(self, job_ids: Sequence[str]) -> int:
        """Have lists leave out jobs that are over, all of them or none; returns how many were not archived before."""
        return self._connection.post(Changed, "jobs/archive", {"job_ids": [*job_ids]}).jobs

    def unarchive(self, job_ids: Sequence[str]) -> int:
        """Have lists show archived jobs again, all of them or none; returns how many were archived."""
        return self._connection.post(Changed, "jobs/unarchive", {"job_ids": [*job_ids]}).jobs

    def results(
        self,
        *,
        checkpoint_id: str = "",
        dataset_id: str = "",
        max_drop: float | None = None,
        scale: Scale = Scale.RELATIVE,
    ) -> ResultsView:
        """The team's results, smallest first, with what is on their frontier.

        Args:
            checkpoint_id: only of this upload, or of another one of the same bytes.
            dataset_id: only measured on this one; likewise.
            max_drop: only those that lose no more accuracy, a fraction.
            scale: what the frontier compares.
        """
        given = {
            "checkpoint_id": checkpoint_id, "dataset_id": dataset_id, "scale": scale.value,
            "max_drop": "" if max_drop is None else repr(float(max_drop)),
        }  # fmt: skip
        return self._connection.get(ResultsView, "results", {name: value for name, value in given.items() if value})

    def compare(self, job_ids: Sequence[str]) -> ComparisonView:
        """Two to twenty jobs beside each other."""
        return self._connection.get(ComparisonView, "jobs/compare", {"job": [*job_ids]})

    def cancel(self, job_id: str) -> Job:
        """Cancel a job: at once if it is queued, otherwise soon."""
        return self._connection.post(Job, f"jobs/{job_id}/cancel").of(self)

    def prioritise(self, job_id: str, priority: Priority) -> Job:
        """Change the priority of a queued job among the team's."""
        return self._connection.patch(Job, f"jobs/{job_id}", {"priority": priority.value}).of(self)

    def retry(self, job_id: str) -> Job:
        """A new job with the inputs of one that failed or was cancelled. Sent once: twice would make two jobs."""
        return self._connection.post_once(Job, f"jobs/{job_id}/retry").of(self)

    def delete(self, job_id: str) -> None:
        """Delete a finished job and its artifacts."""
        self._connection.send("DELETE", f"jobs/{job_id}")

    def events(self, job_id: str, after: int = 0) -> Iterator[EventView]:
        """The events of a job behind ``after``, as they happen, until the job is over."""
        return events(self._connection, job_id, after)

    def wait(self, job_id: str, on_progress: OnEvent | None = None) -> Job:
        """The job once it is over; a server that is unreachable for a while is waited for.

        Args:
            job_id: the job.
            on_progress: called with every event once, in order: ``state`` with the new state, ``progress`` with
                ``step``, ``done``, ``total``, ``note`` and ``facts``.
        """
        job, after, contact_at = self.job(job_id), 0, time.monotonic()
        while True:
            try:
                for event in events(self._connection, job_id, after):
                    after, contact_at = event.id, time.monotonic()
                    if on_progress is not None:
                        on_progress(event)
                job, contact_at = self.job(job_id), time.monotonic()
            except ClientError as error:
                if not is_temporary(error) or time.monotonic() - contact_at > PATIENCE_SECONDS:
                    raise
            if job.state.is_terminal:
                return job
            time.sleep(RECONNECT_SECONDS)

    def artifacts(self, job_id: str) -> list[ArtifactView]:
        """The files of a finished job."""
        return self._connection.get(list[ArtifactView], f"jobs/{job_id}/artifacts")

    def download(self, job_id: str, out_dir: Path, on_progress: OnBytes = ignore_bytes) -> list[Path]:
        """All artifacts of a finished job as files below ``out_dir``; files that are present are not fetched again.

        Args:
            job_id: the job.
            out_dir: folder, created where needed.
            on_progress: called with the bytes present and their total.

        Raises:
            ClientError: the job has no artifacts, or they cannot be written.
            Damaged: what arrived is not what the server keeps.
        """
        found = self.artifacts(job_id)
        if not found:
            raise ClientError(f"the job {job_id} has no artifacts; it is {self.job(job_id).state}")
        total, before, paths = sum(artifact.size_bytes for artifact in found), 0, []
        for artifact in found:
            already = before

            def add(present: int, already: int = already) -> None:
                on_progress(already + present, total)

            paths.append(fetch(self._connection, job_id, artifact, out_dir, add))
            before += artifact.size_bytes
        return paths


def _inputs(
    checkpoint_id: str,
    dataset_id: str | None,
    spec: Mapping[str, JsonValue],
    train_dataset_id: str | None,
    plan: Mapping[str, JsonValue] | None,
) -> dict[str, JsonValue]:
    """What a job is about, in the body of a request; servers before there were plans get none."""
    given: dict[str, JsonValue] = {
        "checkpoint_id": checkpoint_id,
        "train_dataset_id": train_dataset_id,
        "spec": dict(spec),
    }
    if dataset_id is not None:
        given["dataset_id"] = dataset_id
    return given if plan is None else {**given, "plan": essential(plan)}


def _described(tags: Sequence[str], note: str) -> dict[str, JsonValue]:
    """Tags and note in the body of a request; servers before there were any get none."""
    given: dict[str, JsonValue] = {"tags": [*tags], "note": note}
    return {name: value for name, value in given.items() if value}


def _another_budget(
    job_id: str, max_accuracy_drop: float | None, max_disagreement: float | None
) -> dict[str, JsonValue]:
    given: dict[str, JsonValue] = {"max_accuracy_drop": max_accuracy_drop, "max_disagreement": max_disagreement}
    return {"parent_id": job_id, "spec": {"budget": limit_of(given)}}
