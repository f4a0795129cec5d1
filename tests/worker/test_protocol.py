"""Messages between worker and child: what is written is what is read, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from primesvt_client.facts import CheckpointFacts, DataSetFacts, ProblemFacts, ResultSummary, StepFacts
from primesvt_client.progress import Progress
from primesvt_client.states import Step
from worker.protocol import (
    MESSAGE,
    AssistRequest,
    AssistResult,
    CompressRequest,
    CompressResult,
    Message,
    NextBatchMessage,
    ProgressMessage,
    PruneRequest,
    PublishMessage,
    RefusedMessage,
    Request,
    ResultMessage,
    RetargetRequest,
    Sandbox,
    SandboxMessage,
    Task,
    ValidateCheckpoint,
    ValidateData,
)

FOLDER = Path("/work")
RESULTS = (
    CompressResult(verdict="met", summary=ResultSummary()), AssistResult(cells=3),
    CheckpointFacts(family="spikformer", sha256="0" * 64), DataSetFacts(samples=3, fingerprint="1" * 64),
)  # fmt: skip
MESSAGES: tuple[Message, ...] = (
    ProgressMessage(progress=Progress(step=Step.PROFILE, done=1, total=2, facts=StepFacts(seconds=0.5))),
    SandboxMessage(missing=["seccomp"]), PublishMessage(cells={"a": {"group": 0.5}}), NextBatchMessage(),
    RefusedMessage(code="bad_data", detail="empty"), *(ResultMessage(result=result) for result in RESULTS),
)  # fmt: skip
TASKS: tuple[Task, ...] = (
    CompressRequest(checkpoint=FOLDER, data=FOLDER, train_data=None, spec={"seed": 1}, workspace=FOLDER, out=FOLDER),
    RetargetRequest(
        checkpoint=FOLDER, data=FOLDER, train_data=None, workspace=FOLDER, out=FOLDER, run=FOLDER, name="the job job_1",
        max_accuracy_drop=0.02, budgets=(0.03,),
    ),
    PruneRequest(
        checkpoint=FOLDER, data=None, train_data=None, spec={}, workspace=FOLDER, out=FOLDER, plan={"mlp": 0.5},
        plan_name="of the request",
    ),
    AssistRequest(checkpoint=FOLDER, data=FOLDER, spec={}, workspace=FOLDER),
    ValidateCheckpoint(path=FOLDER), ValidateData(path=FOLDER),
)  # fmt: skip


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_is_read_as_it_was_written(message: Message) -> None:
    line = message.model_dump_json()
    assert "\n" not in line  # a document a line
    found = MESSAGE.validate_json(line)
    assert found == message
    if isinstance(message, ResultMessage) and isinstance(found, ResultMessage):
        assert type(found.result) is type(message.result)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: type(task).__name__)
def test_a_request_is_read_as_it_was_written(task: Task) -> None:
    request = Request(task=task, sandbox=Sandbox(memory_bytes=5, programs=False), device="cuda")
    assert Request.model_validate_json(request.model_dump_json()) == request


@pytest.mark.parametrize(
    "line",
    [
        "", "[]", "Traceback (most recent call last):", '{"kind": "unknown"}', '{"kind": "progress"}',
        '{"kind": "refused", "code": "a", "detail": "b", "more": 1}', '{"kind": "result", "result": {"cells": "x"}}',
    ],
)  # fmt: skip
def test_anything_else_is_no_message(line: str) -> None:
    with pytest.raises(ValidationError):
        MESSAGE.validate_json(line)


def test_a_refusal_is_the_problem_of_its_job() -> None:
    assert RefusedMessage(code="a", detail="b").problem() == ProblemFacts(code="a", detail="b")
