"""What the REST API takes and gives of jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    JsonValue,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from primesvt_client.facts import ProblemFacts, ResultSummary, read
from primesvt_client.progress import Progress
from primesvt_client.schemas.base import ID, ID_OR_NONE, LONGEST_ID, Body, View
from primesvt_client.spec import CompressionSpec
from primesvt_client.spec_types import TEXT
from primesvt_client.states import JobState, Priority

MOST_TAGS, LONGEST_TAG, LONGEST_NOTE = 10, 40, 2000
MOST_JOBS = 500
"""Of one request that archives."""

TAG = r"^[^\x00-\x1f\x7f,]*$"
"""A comma separates tags in forms."""

Tag = Annotated[str, Field(min_length=1, max_length=LONGEST_TAG, pattern=TAG)]
Tags = Annotated[list[Tag], Field(max_length=MOST_TAGS)]
Note = Annotated[str, Field(max_length=LONGEST_NOTE, pattern=TEXT)]
JobIdText = Annotated[str, Field(max_length=LONGEST_ID, pattern=ID)]


class _LikeASpec:
    """Told as a `CompressionSpec`, but taken as it comes: a wrong one is refused in a spec's own words."""

    @staticmethod
    def __get_pydantic_json_schema__(_taken: CoreSchema, told: GetJsonSchemaHandler) -> JsonSchemaValue:
        return told(CompressionSpec.__pydantic_core_schema__)


class NewJobBody(Body):
    """A compression that is asked for: a search; a given plan; or another budget for a finished job."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "checkpoint_id": "upl_01k2v8r3p5q7s9t1v3w5x7y9z1",
                    "dataset_id": "upl_01k2v8r4a6b8c0d2e4f6g8h0j2",
                    "spec": {"budget": {"max_accuracy_drop": 0.03, "min_memory_saving": 0.25}},
                    "name": "a quarter less",
                    "tags": ["paper", "cifar"],
                    "note": "For the table of section 4.",
                },
                {
                    "parent_id": "job_01k2v8r5k3m5n7p9q1r3s5t7v9",
                    "spec": {"budget": {"max_accuracy_drop": 0.02}},
                },
                {
                    "checkpoint_id": "upl_01k2v8r3p5q7s9t1v3w5x7y9z1",
                    "plan": {"block.*.mlp.fc1": 0.5},
                    "spec": {"budget": {"min_memory_saving": 0.0}},
                },
            ]
        }
    )

    checkpoint_id: str = Field(
        default="", max_length=LONGEST_ID, pattern=ID_OR_NONE, description="Required, but of another budget."
    )
    dataset_id: str = Field(
        default="",
        max_length=LONGEST_ID,
        pattern=ID_OR_NONE,
        description="Labelled images, an upload or a data set of the service; required, but of another budget, and of a"
        " plan that is carried out without.",
    )
    train_dataset_id: str | None = Field(
        default=None,
        max_length=LONGEST_ID,
        pattern=ID,
        description="Images to calibrate and to fine-tune on; likewise.",
    )
    parent_id: str | None = Field(
        default=None,
        max_length=LONGEST_ID,
        pattern=ID,
        description="A finished job of whose curve another point is wanted. Its inputs and its spec hold: give"
        " spec.budget.max_accuracy_drop, or max_disagreement where it promised that, and nothing else.",
    )
    plan: dict[str, JsonValue] | None = Field(
        default=None,
        min_length=1,
        description="Rates to prune at, without a search: report.json of a finished run, of which groups[].rate counts,"
        " or rates by channel group or pattern (*, ?).",
    )
    spec: Annotated[dict[str, JsonValue], _LikeASpec] = Field(description="What is wanted, and how.")
    name: str = Field(default="", max_length=200)
    priority: Priority = Field(default=Priority.NORMAL, description="Among the team's waiting jobs.")
    tags: Tags = Field(default_factory=list, description="Short texts to find it by.")
    note: Note = Field(default="", description="For people.")


class JobChange(Body):
    """What is to become different of a job; what is absent or null stays as it is."""

    priority: Priority | None = Field(default=None, description="Of a job that waits.")
    tags: Tags | None = Field(default=None, description="All that it is to have, of a job in any state.")
    note: Note | None = Field(default=None, description="Likewise; empty for none.")


class JobChoice(Body):
    """Some jobs."""

    job_ids: list[JobIdText] = Field(min_length=1, max_length=MOST_JOBS)


class Changed(BaseModel):
    """How many jobs are different now."""

    jobs: int


class _JobFields(View):
    id: str
    name: str
    state: JobState
    checkpoint_id: str
    dataset_id: str = Field(description="Empty of a job that carries out a given plan without data.")
    train_dataset_id: str | None
    retry_of: str | None
    parent_id: str | None = Field(
        default=None, description="Of another budget: the finished job of whose curve it takes another point."
    )
    progress: Progress | None = Field(description="Last report of the running step.")
    verdict: str | None
    summary: ResultSummary | None = Field(description="Of a job that has succeeded.")
    problem: ProblemFacts | None = Field(description="Of a job that has failed.")
    attempts: int
    priority: Priority
    run_seconds: float = Field(description="Computed so far, over all attempts and workers; waiting is not counted.")
    gpu_seconds: float = Field(description="Of these, on a GPU.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    queue_position: int | None = Field(description="Of a job that waits, from 1: fair between teams, then by priority.")
    tags: tuple[str, ...] = Field(default=(), description="Short texts to find it by.")
    note: str = Field(default="", description="For people.")
    submitted_by: str | None = Field(
        default=None, description="Name of the person or the API key that submitted it; null where it is not known."
    )
    submitter_kind: str | None = Field(default=None, description="What that is: user, key, operator or system.")
    archived_at: datetime | None = Field(default=None, description="Since when lists leave it out.")


class ListedJobView(_JobFields):
    """A job, as lists have it: all but its spec."""

    budget: dict[str, Any] = Field(default_factory=dict, description="Of its spec.")
    checkpoint_name: str = Field(default="", description="Of the upload.")
    dataset_name: str = Field(default="", description="Likewise; empty of a job without data.")
    family: str = Field(default="", description="Of the checkpoint; empty where validation has not told it.")


class JobView(_JobFields):
    """A job."""

    spec: dict[str, Any] = Field(description="As asked, with its preset and what that sets.")
    plan: dict[str, Any] | None = Field(default=None, description="The given plan that is carried out.")


class EstimateView(View):
    """When a job will begin and end, from what jobs like it took."""

    starts_in_seconds: float | None = Field(description="0 once it runs.")
    ends_in_seconds: float | None = Field(description="Waiting included.")
    reason: str | None = Field(description="Why there is no estimate, or only half of one.")


class SplitCountView(View):
    """Images of one split."""

    split: str = Field(description="calibration, search or confirmation.")
    images: int | None = Field(description="That it gets; null if the size of the data set is not known.")
    asked: int = Field(description="That it may have at the most.")


class PreflightProblem(View):
    """Why a job would be refused, or fail when it runs."""

    code: str = Field(description="Stable; what scripts compare.")
    detail: str = Field(description="What is wrong, where, and what to do.")
    field: str | None = Field(description="Place in the spec of what would have to be another, if that would help.")
    nearest: bool | int | float | None = Field(description="Nearest possible value of that field, if there is one.")


class PreflightView(View):
    """What is known of a job before it is queued; null is what is not known, and the notes say why."""

    family: str | None = Field(description="Of the model.")
    title: str | None = Field(description="The family's name in papers.")
    variant: str | None
    parameters: int | None = Field(description="Of the original, used by its forward pass.")
    parameter_bytes: int | None = Field(description="Memory of the original.")
    model_classes: int | None = Field(description="Outputs of the model.")
    data_classes: int | None = Field(description="Of labels that are numbers, as many as the highest tells.")
    classes_match: bool | None = Field(
        description="Whether they are the same, or the data set's are the model's first ones where that is allowed."
    )
    samples: int | None = Field(description="Images of the data set.")
    splits: list[SplitCountView] = Field(description="What becomes of them.")
    provable_drop: float | None = Field(
        description="Smallest accuracy drop that the confirmation images can prove, a fraction; the smallest"
        " disagreement where the budget limits that."
    )
    max_memory_saving: float | None = Field(
        description="With every permitted channel group at its highest rate, from shapes alone: an upper limit, not a"
        " forecast."
    )
    estimated_seconds: float | None = Field(
        description="Of work, as such jobs of the team took; waiting is not counted."
    )
    problems: list[PreflightProblem] = Field(description="Empty where nothing is known to be in the job's way.")
    notes: list[str] = Field(description="What is not known, and why; what validation noted of the data set.")


class JobPage(BaseModel):
    """Some jobs, in the order that was asked for, without their specs."""

    items: list[ListedJobView]
    next_cursor: str | None


class EventView(View):
    """Something that happened to a job: of a ``state`` event the new state, of a ``progress`` event the report."""

    id: int
    kind: str
    data: dict[str, Any]

    @property
    def progress(self) -> Progress | None:
        """The report; None where the event is no report that this version can read."""
        return read(Progress, self.data) if self.kind == "progress" else None


class ArtifactView(View):
    """One file of a finished job."""

    name: str
    media_type: str
    size_bytes: int
    sha256: str


class FilterChoice(View):
    """A value that jobs of the team have, and how many."""

    value: str
    label: str = Field(description="Of an upload its name.")
    jobs: int = Field(description="That have it, archived ones too.")


class FilterChoices(View):
    """What lists of jobs can be filtered by, the values of the newest jobs first; no more than some hundred each."""

    tags: list[FilterChoice]
    verdicts: list[FilterChoice]
    submitters: list[FilterChoice]
    checkpoints: list[FilterChoice] = Field(description="Uploads of the same bytes are one, by its newest upload.")
    datasets: list[FilterChoice] = Field(description="Likewise.")
