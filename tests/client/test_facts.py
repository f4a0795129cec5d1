"""What processes report to each other: its JSON is that of all versions, and what other versions wrote is read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from primesvt_client.facts import (
    NO_FACTS,
    CandidateFacts,
    CellFacts,
    CheckpointFacts,
    DataSetFacts,
    DisagreementFacts,
    Facts,
    OtherFacts,
    ProblemFacts,
    ProgressFacts,
    ResultSummary,
    StepFacts,
    TrialFacts,
    read,
    read_upload,
)
from primesvt_client.progress import Progress
from primesvt_client.states import Step

KINDS: list[tuple[dict[str, Any], ProgressFacts]] = [
    (
        {"group": "mlp", "rate": 0.5, "accuracy": 0.9, "accuracy_drop": 0.01},
        CellFacts(group="mlp", rate=0.5, accuracy=0.9, accuracy_drop=0.01),
    ),
    (
        {"group": "mlp", "rate": 0.5, "accuracy": 0.9, "memory_saving": 0.1},
        CandidateFacts(group="mlp", rate=0.5, accuracy=0.9, memory_saving=0.1),
    ),
    (
        {"memory_saving": 0.1, "accuracy_drop": 0.01, "samples": 9},
        TrialFacts(memory_saving=0.1, accuracy_drop=0.01, samples=9),
    ),
    ({"memory_saving": 0.1, "accuracy_drop": 0.01}, TrialFacts(memory_saving=0.1, accuracy_drop=0.01)),
    (
        {"disagreement": 0.02, "group": "mlp", "rate": 0.5, "divergence": 0.1},
        DisagreementFacts(disagreement=0.02, group="mlp", rate=0.5, divergence=0.1),
    ),
    (
        {"disagreement": 0.02, "group": "", "rate": 0.0, "memory_saving": 0.1, "samples": 9},
        DisagreementFacts(disagreement=0.02, memory_saving=0.1, samples=9),
    ),
    ({"seconds": 0.5}, StepFacts(seconds=0.5)),
    ({}, NO_FACTS),
]


@pytest.mark.parametrize(("document", "facts"), KINDS)
def test_facts_of_progress_are_known_by_their_fields_and_written_as_they_were(
    document: dict[str, Any], facts: ProgressFacts
) -> None:
    stored = {"step": "profile", "done": 1, "total": 3, "note": "a note", "facts": document}
    progress = Progress(step=Step.PROFILE, done=1, total=3, note="a note", facts=facts)
    assert Progress.model_validate(stored) == progress
    assert progress.document() == json.loads(progress.model_dump_json()) == stored


def test_fields_of_another_version_are_kept() -> None:
    cell = {"group": "mlp", "rate": 0.5, "accuracy": 0.9, "accuracy_drop": 0.01, "new": [1]}
    stored = {"step": "of another version", "done": 1, "total": None, "note": "", "facts": cell, "eta": 3}
    progress = Progress.model_validate(stored)
    assert isinstance(progress.facts, CellFacts)
    assert (progress.step, progress.finished) == ("of another version", False)
    assert progress.document() == stored


@pytest.mark.parametrize(
    "document",
    [{"group": "mlp"}, {"group": "mlp", "rate": "x", "accuracy": [], "accuracy_drop": None}, {"new": {"a": 1}}],
)
def test_facts_that_are_not_of_a_known_kind_are_passed_on(document: dict[str, Any]) -> None:
    progress = Progress.model_validate({"step": "profile", "facts": document})
    assert isinstance(progress.facts, OtherFacts)
    assert progress.document()["facts"] == document


def test_what_lacks_the_step_is_no_progress() -> None:
    documents: tuple[object, ...] = (None, {}, {"done": 1}, [], "text")
    for document in documents:
        assert read(Progress, document) is None
    found = read(Progress, {"step": "search", "done": None, "facts": None})
    assert found == Progress(step=Step.SEARCH)


def test_a_summary_of_another_version_has_what_it_has() -> None:
    stored = {"memory_saving": 0.3, "accuracy_drop": "much", "new": {"a": 1}}
    summary = read(ResultSummary, stored)
    assert summary is not None
    assert (summary.memory_saving, summary.accuracy_drop, summary.pruned_accuracy) == (0.3, None, None)
    assert summary.document() == {"memory_saving": 0.3, "new": {"a": 1}}


def test_a_problem_may_lack_its_code() -> None:
    assert read(ProblemFacts, {"detail": "gone"}) == ProblemFacts(detail="gone")
    assert ProblemFacts(detail="gone").document() == {"detail": "gone"}


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        ({"family": "spikformer"}, CheckpointFacts),
        ({"family": "spikformer", "parameters": 5, "layers": [{"name": "head"}], "new": 1}, CheckpointFacts),
        ({"samples": 3, "classes": ["a", "b"]}, DataSetFacts),
        ({"samples": 3}, DataSetFacts),
        ({"samples": 3, "notes": ["1 file was not read"]}, DataSetFacts),
        ({"family": ["odd"]}, OtherFacts),
        ({"samples": 3, "classes": 2}, OtherFacts),
        ({}, OtherFacts),
    ],
)
def test_facts_of_uploads_are_known_by_their_fields_and_written_as_they_were(
    document: dict[str, Any], kind: type[Facts]
) -> None:
    facts = read_upload(document)
    assert isinstance(facts, kind)
    assert facts.document() == document


def test_facts_do_not_change() -> None:
    with pytest.raises(ValidationError):
        StepFacts(seconds=1.0).seconds = 2.0  # type: ignore[misc]
