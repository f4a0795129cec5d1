"""What processes report to each other, in one definition for library, worker, service, pages and client.

It is stored and sent as JSON, and processes of several versions run side by side: fields that this version does not
know are kept, fields that another version did not write are None and are not written again.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError


class Facts(BaseModel):
    """Some facts of one kind."""

    model_config = ConfigDict(frozen=True, extra="allow")

    def document(self) -> dict[str, Any]:
        """The facts as JSON."""
        return self.model_dump(mode="json")


F = TypeVar("F", bound=Facts)
T = TypeVar("T")
Maybe = Annotated[T | None, Field(exclude_if=lambda value: value is None)]
"""What some version does not write."""

IsBound = Annotated[bool, Field(exclude_if=lambda value: not value)]

Document = dict[str, JsonValue]


class CellFacts(Facts):
    """Of a profile cell: one channel group pruned alone.

    Attributes:
        rate: fraction of the group's channels removed.
        accuracy: on the search split; the highest possible where ``is_bound``.
        accuracy_drop: against the original; the least possible where ``is_bound``.
        is_bound: whether it was decided before all images were counted.
        divergence: mean KL of the original's predictions against the candidate's, in nats, where it was measured.
    """

    group: str
    rate: float
    accuracy: float
    accuracy_drop: float
    is_bound: IsBound = False
    divergence: Maybe[float] = None


class CandidateFacts(Facts):
    """Of a candidate of the search.

    Attributes:
        group: the group that was changed last; empty where many were changed at once.
        rate: fraction of its channels removed.
        accuracy: of the candidate, on the search split; the highest possible where ``is_bound``.
        memory_saving: of the candidate.
        is_bound: whether it was decided before all images were counted.
        divergence: mean KL of the original's predictions against the candidate's, in nats, where it was measured.
    """

    group: str = ""
    rate: float = 0.0
    accuracy: float
    memory_saving: float
    is_bound: IsBound = False
    divergence: Maybe[float] = None


class TrialFacts(Facts):
    """Of a candidate's confirmation.

    Attributes:
        memory_saving: of the candidate.
        accuracy_drop: on the confirmation split, against the original.
        samples: images compared.
    """

    memory_saving: float
    accuracy_drop: float
    samples: Maybe[int] = None


class DisagreementFacts(Facts):
    """Of a profile cell, a candidate or a confirmation where a disagreement is promised, and accuracies are not known.

    Attributes:
        disagreement: share of images on which another class is predicted than by the original.
        group: of a cell; of a candidate the one that was changed last.
        rate: fraction of its channels removed.
        memory_saving: of a candidate.
        is_bound: whether the disagreement is the least possible, since it was decided before all images were counted.
        divergence: as of cells and candidates.
        samples: of a confirmation the images compared.
    """

    disagreement: float
    group: str = ""
    rate: float = 0.0
    memory_saving: Maybe[float] = None
    is_bound: IsBound = False
    divergence: Maybe[float] = None
    samples: Maybe[int] = None


class StepFacts(Facts):
    """Of a step that has ended.

    Attributes:
        seconds: it took.
    """

    seconds: float


class OtherFacts(Facts):
    """None, or some of a kind that this version does not know."""


NO_FACTS = OtherFacts()

ProgressFacts = Annotated[
    CellFacts | CandidateFacts | TrialFacts | DisagreementFacts | StepFacts | OtherFacts,
    Field(union_mode="left_to_right"),
    BeforeValidator(lambda facts: NO_FACTS if facts is None else facts),
]
"""Of which kind they are is told by their fields."""


class ResultSummary(Facts):
    """The figures of a finished compression that lists show; accuracies are on the confirmation split.

    Attributes:
        accuracy_drop: negative if the pruned model is better.
        drop_upper_bound: with the spec's confidence.
        disagreement: where that is what is promised; accuracies are then known where there are labels alone.
        parameter_bytes_before: memory of the original.
        parameter_bytes_after: memory of the pruned model.
        macs_before: multiply-accumulates of the original for one image over all time steps.
        macs_after: the same of the pruned model.
    """

    baseline_accuracy: Maybe[float] = None
    pruned_accuracy: Maybe[float] = None
    accuracy_drop: Maybe[float] = None
    drop_upper_bound: Maybe[float] = None
    disagreement: Maybe[float] = None
    memory_saving: Maybe[float] = None
    parameter_bytes_before: Maybe[int] = None
    parameter_bytes_after: Maybe[int] = None
    macs_before: Maybe[int] = None
    macs_after: Maybe[int] = None


class MemoryTerm(Facts):
    """A term of a model's parameter memory, which is a polynomial in what is removed from its channel groups.

    Attributes:
        groups: whose channels removed from each of their parts are multiplied, a group twice for the square; none for
            the memory of the whole model.
        bytes: the coefficient.
    """

    groups: tuple[str, ...]
    bytes: int


class CheckpointFacts(Facts):
    """What a checkpoint is; its nested tables are as `primesvt inspect` prints them.

    Attributes:
        family: name of the family's plug-in.
        title: the family's name in papers.
        format: of the file.
        container: which weights of the file were taken, of those in ``containers``.
        sha256: of the file.
        parameters: number of parameters that the forward pass uses.
        parameter_bytes: memory of parameters and BatchNorm buffers.
        config: every width.
        assumptions: fields of the config that weights cannot tell, with their source.
        questions: what must be told before anything is computed, by the field that answers it.
        memory: by how much parameter memory shrinks at any size of the groups.
        class_rule: how the family's public training code numbers class folders: ``natural`` or ``plain``.
        notes: what was ignored or changed.
    """

    family: str
    title: Maybe[str] = None
    variant: Maybe[str] = None
    paper: Maybe[str] = None
    format: Maybe[str] = None
    container: Maybe[str] = None
    containers: Maybe[tuple[str, ...]] = None
    sha256: Maybe[str] = None
    file_bytes: Maybe[int] = None
    parameters: Maybe[int] = None
    parameter_bytes: Maybe[int] = None
    num_classes: Maybe[int] = None
    config: Maybe[Document] = None
    assumptions: Maybe[tuple[Document, ...]] = None
    layers: Maybe[tuple[Document, ...]] = None
    groups: Maybe[tuple[Document, ...]] = None
    memory: Maybe[tuple[MemoryTerm, ...]] = None
    unused_tensors: Maybe[tuple[str, ...]] = None
    questions: Maybe[dict[str, str]] = None
    class_rule: Maybe[str] = None
    notes: Maybe[tuple[str, ...]] = None


class DataSetFacts(Facts):
    """What a data set holds.

    Attributes:
        kind: of the files in it.
        samples: images.
        classes: their names, by label; of folders in natural order.
        plain_classes: the same in plain order, where that finds others in the folders; empty where it does not.
        fingerprint: of the content.
        is_labelled: false where it has no labels; those of older versions all have.
        notes: what was taken for what, and what was not read.
    """

    kind: Maybe[str] = None
    samples: int
    classes: Maybe[tuple[str, ...]] = None
    plain_classes: Maybe[tuple[str, ...]] = None
    fingerprint: Maybe[str] = None
    is_labelled: Annotated[bool, Field(exclude_if=lambda value: value)] = True
    notes: Maybe[tuple[str, ...]] = None


UploadFacts = Annotated[CheckpointFacts | DataSetFacts | OtherFacts, Field(union_mode="left_to_right")]


class ProblemFacts(Facts):
    """Why a job has failed or an upload was rejected.

    Attributes:
        code: stable; what scripts compare.
        detail: what was wrong, where, and what to do.
    """

    code: Maybe[str] = None
    detail: Maybe[str] = None


_UPLOAD_FACTS: TypeAdapter[UploadFacts] = TypeAdapter(UploadFacts)


def read(kind: type[F], document: object) -> F | None:
    """A stored document as facts of a kind.

    Args:
        kind: of which the document should be.
        document: written by this version or another.

    Returns:
        The facts, without fields that hold something else here than they did there; None if there is no document or it
        lacks what facts of this kind need.
    """
    if not isinstance(document, dict) or not document:
        return None
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        unreadable = {problem["loc"][0] for problem in error.errors() if problem["loc"]}
    with suppress(ValidationError):
        return kind.model_validate({name: value for name, value in document.items() if name not in unreadable})
    return None


def read_upload(document: dict[str, Any] | None) -> UploadFacts | None:
    """What is stored of an upload: of a checkpoint, of a data set, or something that this version does not know."""
    return None if document is None else _UPLOAD_FACTS.validate_python(document)
