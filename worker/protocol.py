"""What a worker and its child say to each other: one request, then one JSON document a line.

The child writes ``{"kind": "sandbox", …}`` if its sandbox has gaps, ``{"kind": "progress", …}`` any number of times,
then one ``{"kind": "result", …}`` or ``{"kind": "refused", …}``. A child that ends without either has died.
In between it may offer cells that others can compute (``offer``), and ask what to do next (``ask``): each ``ask`` is
answered with one line on its standard input.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CompressRequest(_Message):
    """Carry out one compression; ask with the same workspace to go on with it.

    Attributes:
        known: cells that earlier attempts have computed, wherever.
        fetched: folder with large files that they made, which are moved into the workspace.
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


class AssistRequest(_Message):
    """Compute cells of the profile of somebody else's compression, as long as there are any to be had."""

    task: Literal["assist"] = "assist"
    checkpoint: Path
    data: Path
    spec: dict[str, JsonValue]
    workspace: Path


class ValidateCheckpoint(_Message):
    """Say what a checkpoint is."""

    task: Literal["validate_checkpoint"] = "validate_checkpoint"
    path: Path


class ValidateData(_Message):
    """Say what a data set holds."""

    task: Literal["validate_data"] = "validate_data"
    path: Path


Task = CompressRequest | AssistRequest | ValidateCheckpoint | ValidateData


class Sandbox(_Message):
    """What a child may use; 0 stands for no limit.

    Attributes:
        memory_bytes: memory of its own, shared libraries and files that it maps aside.
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
    """What a child is started for, and what it may use to that end.

    Attributes:
        device: ``cpu`` hides the machine's GPUs from it.
    """

    task: Annotated[Task, Field(discriminator="task")]
    sandbox: Sandbox = Sandbox()
    device: Literal["cpu", "cuda"] = "cpu"


class ProgressMessage(_Message):
    """The fields of `primesvt_client.progress.Progress`."""

    kind: Literal["progress"] = "progress"
    step: str
    done: int
    total: int | None
    note: str
    facts: dict[str, JsonValue]

    def document(self) -> dict[str, JsonValue]:
        """What a job's events hold."""
        return self.model_dump(exclude={"kind"})


class SandboxMessage(_Message):
    """Limits that the child's machine could not give."""

    kind: Literal["sandbox"] = "sandbox"
    missing: list[str]


class ResultMessage(_Message):
    """The task is done."""

    kind: Literal["result"] = "result"
    result: dict[str, JsonValue]


class OfferMessage(_Message):
    """These cells are wanted, in this order: by key, the rates."""

    kind: Literal["offer"] = "offer"
    cells: dict[str, dict[str, float]]


class AskMessage(_Message):
    """What is to be done next? The answer is a `ShareAnswer`."""

    kind: Literal["ask"] = "ask"


class ShareAnswer(_Message):
    """A `primesvt_core.workspace.sharing.Assignment`: cells to compute, and results that others have computed."""

    mine: dict[str, dict[str, float]] = {}
    found: dict[str, JsonValue] = {}


class RefusedMessage(_Message):
    """The inputs are wrong; the same inputs would be refused again."""

    kind: Literal["refused"] = "refused"
    code: str
    detail: str

    def problem(self) -> dict[str, JsonValue]:
        """What a job or an upload says went wrong."""
        return {"code": self.code, "detail": self.detail}


Message = OfferMessage | AskMessage | ProgressMessage | SandboxMessage | ResultMessage | RefusedMessage
MESSAGE: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="kind")])
