"""What ``submit`` asks for: files with a spec or a plan, or another budget for a finished job."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from primesvt_client.commands.requests import Files, Label, of_files, of_parent
from primesvt_client.errors import SpecError
from primesvt_client.options import submitted_document
from primesvt_client.states import Priority, UploadKind

MODEL, DATA = Path("m.pth"), Path("d.npz")
DROP: dict[str, Any] = {"budget": {"max_accuracy_drop": 0.02}}


def files(**given: Path) -> Files:
    return Files(**{"checkpoint": None, "data": None, "train_data": None, "plan": None, **given})


class Recording:
    """What a client is asked for."""

    def submit(self, *inputs: Any, **others: Any) -> Any:
        return inputs, others

    preflight = submit

    def retarget(self, *inputs: Any, **others: Any) -> Any:
        return inputs, others

    preflight_retarget = retarget


def told(answer: object) -> Any:
    """What a recording client has answered."""
    return answer


def uploads(*ids: str) -> Any:
    return [SimpleNamespace(id=one) for one in ids]


CLIENT: Any = Recording()


def test_files_are_uploaded_in_the_order_in_which_a_job_names_them() -> None:
    asked = of_files(files(checkpoint=MODEL, data=DATA, train_data=Path("t.npz")), DROP)
    assert [kind for _, kind in asked.paths] == [UploadKind.CHECKPOINT, UploadKind.DATASET, UploadKind.DATASET]
    inputs, others = told(
        asked.submit(CLIENT, uploads("a", "b", "c"), Label(name="mine", priority=Priority.HIGH, tags=("t",)))
    )
    assert inputs == ("a", "b", DROP)
    label = {"name": "mine", "priority": Priority.HIGH, "tags": ("t",), "note": ""}
    assert others == {**label, "train_dataset_id": "c", "plan": None}
    inputs, others = told(asked.preflight(CLIENT, uploads("a", "b", "c")))
    assert (inputs, others["train_dataset_id"]) == (("a", "b", DROP), "c")


def test_a_plan_needs_neither_data_nor_a_budget(tmp_path: Path) -> None:
    plan = tmp_path / "rates.json"
    plan.write_text(json.dumps({"block.*": 0.5}))
    asked = of_files(files(checkpoint=MODEL, plan=plan), submitted_document())
    inputs, others = told(asked.submit(CLIENT, uploads("a"), Label()))
    assert (inputs, others["plan"], others["train_dataset_id"]) == (("a", None, {}), {"block.*": 0.5}, None)
    with_data = of_files(files(checkpoint=MODEL, data=DATA, plan=plan), DROP)
    assert told(with_data.submit(CLIENT, uploads("a", "b"), Label()))[0] == ("a", "b", DROP)


def test_another_budget_uploads_nothing() -> None:
    asked = of_parent("job_1", files(), submitted_document(max_accuracy_drop=0.02))
    assert asked.paths == ()
    others = {"max_disagreement": None, "name": "", "priority": Priority.LOW, "tags": (), "note": ""}
    assert told(asked.submit(CLIENT, [], Label(priority=Priority.LOW))) == (("job_1", 0.02), others)
    assert told(asked.preflight(CLIENT, [])) == (("job_1", 0.02), {"max_disagreement": None})
    unlabelled = of_parent("job_1", files(), submitted_document(max_disagreement=0.04))
    assert told(unlabelled.preflight(CLIENT, [])) == (("job_1", None), {"max_disagreement": 0.04})


@pytest.mark.parametrize(
    ("given", "document", "why"),
    [
        (files(data=DATA), DROP, "give a checkpoint"),
        (files(checkpoint=MODEL), DROP, "give --data"),
        (files(checkpoint=MODEL, data=DATA), {}, "budget needs at least one"),
        (files(checkpoint=MODEL, train_data=DATA, plan=MODEL), {}, "--train-data serves nothing"),
    ],
)
def test_what_is_missing_or_serves_nothing_is_said_before_anything_is_sent(
    given: Files, document: dict[str, Any], why: str
) -> None:
    with pytest.raises(SpecError, match=why):
        of_files(given, document)


def test_another_budget_has_nothing_of_its_own() -> None:
    for given in (files(checkpoint=MODEL), files(data=DATA), files(plan=MODEL)):
        with pytest.raises(SpecError, match="has the files of its parent"):
            of_parent("job_1", given, DROP)
    documents: tuple[dict[str, Any], ...] = (
        {}, {**DROP, "seed": 1}, {"budget": {**DROP["budget"], "min_accuracy": 0.9}},
        {"budget": {"max_accuracy_drop": 0.02, "max_disagreement": 0.02}}, {"budget": {"min_accuracy": 0.9}},
    )  # fmt: skip
    for document in documents:
        with pytest.raises(SpecError, match="no other option"):
            of_parent("job_1", files(), document)
