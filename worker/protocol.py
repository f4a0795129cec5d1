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


class _Run(_Message):
    """Make a smaller model; a request with the same workspace resumes it.

    Attributes:
        known: cells that earlier attempts have computed, on any machine.
        fetched: folder with large files that they made, which are moved into the workspace.
    """

    checkpoint: Path
    train_data: Path | None
    workspace: Path
    out: Path
    known: dict[str, JsonValue] = {}
    fetched: Path | None = None

    @property
    def writes(self) -> tuple[Path, ...]:
        """Folders that the child may write in."""
        return _given(self.workspace, self.out, self.fetched)


class CompressRequest(_Run):
    """Carry out one compression.

    Attributes:
        cells: files of cells that the team's earlier jobs have computed of the same inputs.
    """

    task: Literal["compress"] = "compress"
    data: Path
    spec: dict[str, JsonValue]
    cells: tuple[Path, ...] = ()

    @property
    def reads(self) -> tuple[Path, ...]:
        """Files that the child may read."""
        return _given(self.checkpoint, self.data, self.train_data, *self.cells)


class RetargetRequest(_Run):
    """Take another point of a finished curve.

    Attributes:
        run: folder with what is needed of the artifacts of the job that found it.
        name: of that job.
        max_accuracy_drop: the budget, of a curve that promises one.
        max_disagreement: likewise.
        budgets: that were asked for of the same curve before.
    """

    task: Literal["retarget"] = "retarget"
    data: Path
    run: Path
    name: str
    max_accuracy_drop: float | None = None
    max_disagreement: float | None = None
    budgets: tuple[float, ...] = ()

    @property
    def reads(self) -> tuple[Path, ...]:
        """Files and folders that the child may read."""
        return _given(self.checkpoint, self.data, self.train_data, self.run)


class PruneRequest(_Run):
    """Carry out a given plan.

    Attributes:
        data: None to slice alone.
        plan: the document of a report, or of rates by channel group.
        plan_name: what people call it.
        cells: as of a compression.
    """

    task: Literal["prune"] = "prune"
    data: Path | None
    spec: dict[str, JsonValue]
    plan: dict[str, JsonValue]
    plan_name: str
    cells: tuple[Path, ...] = ()

    @property
    def reads(self) -> tuple[Path, ...]:
        """Files that the child may read."""
        return _given(self.checkpoint, self.data, self.train_data, *self.cells)


class AssistRequest(_Message):
    """Compute cells of the profile of another worker's compression, as long as there are any."""

    task: Literal["assist"] = "assist"
    checkpoint: Path
    data: Path
    train_data: Path | None = None
    spec: dict[str, JsonValue]
    workspace: Path

    @property
    def reads(self) -> tuple[Path, ...]:
        """Files that the child may read."""
        return _given(self.checkpoint, self.data, self.train_data)

    @property
    def writes(self) -> tuple[Path, ...]:
        """Folders that the child may write in."""
        return (self.workspace,)


class _Validation(_Message):
    """Of an upload; nothing is written but temporary files."""

    path: Path

    @property
    def reads(self) -> tuple[Path, ...]:
        """Files that the child may read."""
        return (self.path,)

    @property
    def writes(self) -> tuple[Path, ...]:
        """Folders that the child may write in."""
        return ()


class ValidateCheckpoint(_Validation):
    """Inspect a checkpoint."""

    task: Literal["validate_checkpoint"] = "validate_checkpoint"


class ValidateData(_Validation):
    """Inspect a data set, and decode everything in it.

    Attributes:
        scratch_bytes: that it may unpack to; None for any number.
    """

    task: Literal["validate_data"] = "validate_data"
    scratch_bytes: int | None = None


class ProbeSandbox(_Message):
    """Enter the sandbox, and answer with a `SandboxMessage`."""

    task: Literal["probe_sandbox"] = "probe_sandbox"
    reads: tuple[Path, ...] = ()
    writes: tuple[Path, ...] = ()


Task = (
    CompressRequest | RetargetRequest | PruneRequest | AssistRequest | ValidateCheckpoint | ValidateData | ProbeSandbox
)


def _given(*paths: Path | None) -> tuple[Path, ...]:
    return tuple(path for path in paths if path is not None)


class Sandbox(_Message):
    """What a child may use; 0 stands for no limit.

    Attributes:
        memory_bytes: memory of its own, without shared libraries and mapped files.
        cpu_seconds: of all its threads together.
        file_bytes: of each file that it writes.
        open_files: at the same time.
        programs: whether it may start programs, as computing needs to.
        sockets: whether it may use sockets of this machine, as drivers of GPUs do.
        hidden: where the service keeps its things; they stay closed even where they lie in a folder that is open.
        lent: folders with what is kept compiled on this machine, to be read.
        users: where users for children are locked; children keep the service's own if there is none.
        user: number of the user that it becomes.
    """

    memory_bytes: int = 0
    cpu_seconds: int = 0
    file_bytes: int = 0
    open_files: int = 0
    programs: bool = True
    sockets: bool = False
    hidden: tuple[Path, ...] = ()
    lent: tuple[Path, ...] = ()
    users: Path | None = None
    user: int | None = None


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
    """Limits and promises (`worker.sandbox.Promise`) that the child's machine could not give."""

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
