"""The messages between a worker and its child: one request, then one JSON document a line.

The child writes ``{"kind": "sandbox", …}`` if its sandbox has gaps, ``{"kind": "progress", …}`` any number of times,
then one ``{"kind": "result", …}`` or ``{"kind": "refused", …}``. A child that ends without either has died.
A data set's child says how many ``pictures`` it has found.
In between it may publish cells that other workers can compute (``publish``) and request its next batch
(``next_batch``), which is answered with one line on its standard input.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

from primesvt_client.facts import CheckpointFacts, DataSetFacts, ProblemFacts, ResultSummary
from primesvt_client.progress import Progress


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CompressRequest(_Message):
    """Carry out one compression; a request with the same workspace resumes it.

    Attributes:
        known: cells that earlier attempts have computed, on any machine.
        fetched: folder with large files that they made, which are moved into the workspace.
        cells: files of cells that the team's earlier jobs have computed of the same inputs.
    """

    task: Literal["compress"] = "compress"
    checkpoint: Path
    data: Path
    train_data: Path | None
    spec: dict[str, JsonValue]
    workspace: Path
    out: Path
    known: dict[str, JsonValue] = {}
    fetched: Path | None = None
    cells: tuple[Path, ...] = ()


class AssistRequest(_Message):
    """Compute cells of the profile of another worker's compression, as long as there are any."""

    task: Literal["assist"] = "assist"
    checkpoint: Path
    data: Path
    train_data: Path | None = None
    spec: dict[str, JsonValue]
    workspace: Path


class ValidateCheckpoint(_Message):
    """Inspect a checkpoint."""

    task: Literal["validate_checkpoint"] = "validate_checkpoint"
    path: Path


class ValidateData(_Message):
    """Inspect a data set, and decode everything in it.

    Attributes:
        scratch_bytes: that it may unpack to; None for any number.
    """

    task: Literal["validate_data"] = "validate_data"
    path: Path
    scratch_bytes: int | None = None


Task = CompressRequest | AssistRequest | ValidateCheckpoint | ValidateData


class Sandbox(_Message):
    """What a child may use; 0 stands for no limit.

    Attributes:
        memory_bytes: memory of its own, without shared libraries and mapped files.
        cpu_seconds: of all its threads together.
        file_bytes: of each file that it writes.
        open_files: at the same time.
        programs: whether it may start programs and use sockets of this machine, as computing needs to.
    """

    memory_bytes: int = 0
    cpu_seconds: int = 0
    file_bytes: int = 0
    open_files: int = 0
    programs: bool = True


class Request(_Message):
    """What a child is to do, and what it may use for it.

    Attributes:
        device: ``cpu`` hides the machine's GPUs from it.
    """

    task: Annotated[Task, Field(discriminator="task")]
    sandbox: Sandbox = Sandbox()
    device: Literal["cpu", "cuda"] = "cpu"


class ProgressMessage(_Message):
    """How far the compression is."""

    kind: Literal["progress"] = "progress"
    progress: Progress


class PicturesMessage(_Message):
    """How many pictures a data set has: for each it may use some processor time."""

    kind: Literal["pictures"] = "pictures"
    count: int = Field(ge=0)


class SandboxMessage(_Message):
    """Limits that the child's machine could not give."""

    kind: Literal["sandbox"] = "sandbox"
    missing: list[str]


class CompressResult(_Message):
    """How a compression ended; its files are in the folder that the request names."""

    verdict: str
    summary: ResultSummary


class AssistResult(_Message):
    """The number of cells that a helper has computed."""

    cells: int


Result = CompressResult | AssistResult | CheckpointFacts | DataSetFacts


class ResultMessage(_Message):
    """The task is done."""

    kind: Literal["result"] = "result"
    result: Annotated[Result, Field(union_mode="left_to_right")]


class PublishMessage(_Message):
    """The profile needs these cells, in this order: the rates by key."""

    kind: Literal["publish"] = "publish"
    cells: dict[str, dict[str, float]]


class NextBatchMessage(_Message):
    """The child requests its next batch; the answer is an `AssignmentAnswer`."""

    kind: Literal["next_batch"] = "next_batch"


class AssignmentAnswer(_Message):
    """The fields of `primesvt_core.workspace.sharing.Assignment`."""

    to_compute: dict[str, dict[str, float]] = {}
    results: dict[str, JsonValue] = {}


class RefusedMessage(_Message):
    """The inputs are wrong; the same inputs would be refused again."""

    kind: Literal["refused"] = "refused"
    code: str
    detail: str

    def problem(self) -> ProblemFacts:
        """The problem of the job or upload."""
        return ProblemFacts(code=self.code, detail=self.detail)


Message = (
    PublishMessage
    | NextBatchMessage
    | ProgressMessage
    | PicturesMessage
    | SandboxMessage
    | ResultMessage
    | RefusedMessage
)
MESSAGE: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="kind")])
