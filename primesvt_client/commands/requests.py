"""What ``submit`` asks a service for: a search, a given plan, or another budget for a finished job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from primesvt_client.another_budget import another_budget
from primesvt_client.budget import Budget
from primesvt_client.errors import SpecError
from primesvt_client.plan_files import read_plan_file
from primesvt_client.spec import CompressionSpec, parse_as
from primesvt_client.states import Priority, UploadKind

if TYPE_CHECKING:
    from primesvt_client import Client
    from primesvt_client.schemas.jobs import JobView, PreflightView
    from primesvt_client.schemas.uploads import UploadView


@dataclass(frozen=True, kw_only=True)
class Files:
    """What the command line names; None where it does not."""

    checkpoint: Path | None
    data: Path | None
    train_data: Path | None
    plan: Path | None


@dataclass(frozen=True, kw_only=True)
class Label:
    """What a job is called, how soon it is wanted, and what people write on it."""

    name: str = ""
    priority: Priority = Priority.NORMAL
    tags: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class OfFiles:
    """A search, or a given plan.

    Attributes:
        paths: to upload, in the order: checkpoint, data, training data, those that there are.
        document: the constraint spec.
        has_data: whether there are data to evaluate on.
        plan: a plan's document.
    """

    paths: tuple[tuple[Path, UploadKind], ...]
    document: Mapping[str, JsonValue]
    has_data: bool
    plan: Mapping[str, Any] | None

    def preflight(self, client: Client, uploads: Sequence[UploadView]) -> PreflightView:
        """What is known of the job."""
        checkpoint, data, training = self._ids(uploads)
        return client.preflight(checkpoint, data, self.document, train_dataset_id=training, plan=self.plan)

    def submit(self, client: Client, uploads: Sequence[UploadView], label: Label) -> JobView:
        """Queue the job."""
        checkpoint, data, training = self._ids(uploads)
        return client.submit(
            checkpoint, data, self.document, train_dataset_id=training, plan=self.plan, **vars(label)
        )  # fmt: skip

    def _ids(self, uploads: Sequence[UploadView]) -> tuple[str, str | None, str | None]:
        first, *others = [upload.id for upload in uploads]
        data = others.pop(0) if self.has_data else None
        return first, data, others.pop(0) if others else None


@dataclass(frozen=True)
class OfParent:
    """Another budget for a finished job; nothing is uploaded."""

    job_id: str
    budget: Budget
    paths: tuple[tuple[Path, UploadKind], ...] = ()

    def preflight(self, client: Client, _uploads: Sequence[UploadView]) -> PreflightView:
        """What is known of the job."""
        return client.preflight_retarget(
            self.job_id, self.budget.max_accuracy_drop, max_disagreement=self.budget.max_disagreement
        )

    def submit(self, client: Client, _uploads: Sequence[UploadView], label: Label) -> JobView:
        """Queue the job."""
        return client.retarget(
            self.job_id, self.budget.max_accuracy_drop, max_disagreement=self.budget.max_disagreement, **vars(label)
        )  # fmt: skip


def of_files(files: Files, document: Mapping[str, JsonValue]) -> OfFiles:
    """A search, or a given plan.

    Raises:
        SpecError: a file is missing, or one is given that serves nothing.
    """
    if files.checkpoint is None:
        raise SpecError("give a checkpoint; or --parent for another budget of a finished job")
    if files.data is None and files.plan is None:
        raise SpecError("give --data, the images to evaluate on; only a --plan can be carried out without")
    if files.data is None and files.train_data is not None:
        raise SpecError("without --data nothing is measured, and --train-data serves nothing; leave it out")
    if files.plan is None:
        parse_as(CompressionSpec, {"budget": {}, **document})  # which needs a budget, before anything is sent
    plan = None if files.plan is None else read_plan_file(files.plan)
    inputs = (
        (files.checkpoint, UploadKind.CHECKPOINT), (files.data, UploadKind.DATASET),
        (files.train_data, UploadKind.DATASET),
    )  # fmt: skip
    paths = tuple((path, kind) for path, kind in inputs if path is not None)
    return OfFiles(paths, document, has_data=files.data is not None, plan=plan)


def of_parent(job_id: str, files: Files, document: Mapping[str, JsonValue]) -> OfParent:
    """Another budget for a finished job.

    Raises:
        SpecError: it is none, or there is more than that.
    """
    if any(path is not None for path in vars(files).values()):
        raise SpecError("another budget has the files of its parent: give neither files nor a plan beside --parent")
    refusal = (
        "--parent takes --max-accuracy-drop, or --max-disagreement where the job promised that, and no other option of"
        " a spec: all else is the parent's"
    )
    return OfParent(job_id, another_budget(document, refusal))
