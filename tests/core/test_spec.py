"""The constraint spec: one document, checked before anything is done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from primesvt_client.options import reading, spec_document
from primesvt_core import spec
from primesvt_core.errors import SpecError
from tests.support.plugins import documented

FLOOR: JsonValue = {"max_accuracy_drop": 0.03}
DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_what_is_not_said_has_a_default() -> None:
    found = spec.parse({"budget": FLOOR, "preset": "paper"})
    assert (found.policy, found.criterion, found.rates[0], found.rates[-1]) == ("prioritized", "l2", 0.1, 0.9)
    assert found.budget.has_accuracy_floor
    assert not found.budget.has_memory_target


def test_a_spec_that_says_nothing_of_stored_weights_is_written_as_before_there_were_any() -> None:
    found = spec.parse({"budget": FLOOR})
    assert found.weights is None
    document = found.model_dump(mode="json")
    assert "weights" not in document
    assert "max_stored_bytes" not in document["budget"]
    stored = spec.parse({"budget": {"max_stored_bytes": 1000}, "weights": "int8"})
    assert (stored.weights, stored.budget.has_target, stored.budget.has_memory_target) == ("int8", True, False)
    assert spec.parse(json.loads(stored.model_dump_json())) == stored
    assert spec_document(weights="float16", max_stored_bytes=7) == {
        "budget": {"max_stored_bytes": 7}, "weights": "float16"
    }  # fmt: skip


def test_a_spec_survives_json() -> None:
    found = spec.parse({"budget": {"max_parameter_bytes": 1000}, "rates": [0.5, 0.1, 0.5], "assumptions": {"x": True}})
    assert found.rates == (0.1, 0.5)
    assert spec.parse(json.loads(found.model_dump_json())) == found


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({"accept_unproven": 1.0}, "accept_unproven"),
        ({"allow_fewer_classes": "yes"}, "allow_fewer_classes"),
        ({}, "budget"),
        ({"budget": {}}, "at least one of"),
        ({"budget": {"max_accuracy_drop": 1.5}}, "max_accuracy_drop"),
        ({"budget": {"min_memory_saving": -0.1}}, "min_memory_saving"),
        ({"budget": {"max_parameter_bytes": 0}}, "max_parameter_bytes"),
        ({"budget": {"max_stored_bytes": 0}}, "max_stored_bytes"),
        ({"budget": FLOOR, "weights": "int4"}, "weights"),
        ({"budget": FLOOR, "rates": []}, "rates"),
        ({"budget": FLOOR, "rates": [0.0]}, "rates"),
        ({"budget": FLOOR, "polcy": "x"}, "polcy"),
        ({"budget": FLOOR, "policy": "genetic"}, "prioritized"),
        ({"budget": FLOOR, "criterion": "../l2"}, "l2"),
        ({"budget": FLOOR, "policy_params": {"depth": 1}}, "policy_params.depth"),
        ({"budget": FLOOR, "policy_params": {"depth": {"of": 1}}}, "policy_params.depth"),
        ({"budget": FLOOR, "policy_params": {"depth": 10**400}}, "policy_params.depth"),
        ({"budget": FLOOR, "policy_params": {"depth": [float("nan")]}}, "policy_params.depth"),
        ({"budget": FLOOR, "device": "tpu"}, "device"),
        ({"budget": FLOOR, "seed": -1}, "seed"),
        ({"budget": {"max_accuracy_drop": float("nan")}}, "max_accuracy_drop"),
        ({"budget": FLOOR, "fine_tuning": {"learning_rate": float("inf")}}, "learning_rate"),
        ({"budget": FLOOR, "preprocessing": {"std": [0.5, 0.0]}}, "preprocessing.std.1"),
        ({"budget": FLOOR, "preprocessing": {"crop": 10**9}}, "preprocessing.crop"),
        ({"budget": FLOOR, "preprocessing": {"mean": [1e300]}}, "preprocessing.mean.0"),
        ({"budget": FLOOR, "preprocessing": {"std": [1e300]}}, "preprocessing.std.0"),
        ({"budget": {"max_parameter_bytes": 10**400}}, "max_parameter_bytes"),
        ({"budget": FLOOR, "splits": {"search_images": 10**400}}, "splits.search_images"),
        ({"budget": FLOOR, "fine_tuning": {"epochs": 10**400}}, "fine_tuning.epochs"),
        ({"budget": FLOOR, "fine_tuning": {"batch_size": 10**400}}, "fine_tuning.batch_size"),
        ({"budget": FLOOR, "fine_tuning": {"epochs": 1001}}, "fine_tuning.epochs"),
        ({"budget": FLOOR, "fine_tuning": {"seconds": 0}}, "fine_tuning.seconds"),
        ({"budget": FLOOR, "fine_tuning": {"seconds": 7 * 24 * 3600 + 1}}, "fine_tuning.seconds"),
        ({"budget": FLOOR, "fine_tuning": {"recover_to": 1.0}}, "fine_tuning.recover_to"),
        ({"budget": FLOOR, "fine_tuning": {"distillation": 1.1}}, "fine_tuning.distillation"),
        ({"budget": FLOOR, "fine_tuning": {"batch_size": 1025}}, "fine_tuning.batch_size"),
        ({"budget": FLOOR, "batch_size": 1025}, "batch_size"),
        ({"budget": FLOOR, "rates": [n / 200 for n in range(1, 102)]}, "rates"),
        ({"budget": FLOOR, "preprocessing": {"resize": 1025}}, "preprocessing.resize"),
        ({"budget": FLOOR, "assumptions": {"image_size": 1025}}, "assumptions"),
        ({"budget": FLOOR, "assumptions": {"time_steps": 1e9}}, "assumptions"),
        ({"budget": FLOOR, "fine_tuning": {"learning_rate": 1e300}}, "fine_tuning.learning_rate"),
        ({"budget": FLOOR, "assumptions": {"time_steps": 10**400}}, "assumptions.time_steps"),
        ({"budget": FLOOR, "assumptions": {"time_steps": -(10**20)}}, "assumptions.time_steps"),
        ({"budget": FLOOR, "assumptions": {"threshold": 1e300}}, "assumptions.threshold"),
    ],
)
def test_what_is_wrong_is_named(document: dict[str, Any], named: str) -> None:
    with pytest.raises(SpecError, match="spec is wrong") as refusal:
        spec.parse(document)
    assert named in refusal.value.message


PERCENT = [
    ({"budget": {"max_accuracy_drop": 5}}, "less than 1, a fraction: 0.05 is 5 %"),
    ({"budget": FLOOR, "confidence": 95}, "less than 1, a fraction: 0.95 is 95 %"),
    ({"budget": {"max_accuracy_drop": 1e9}}, "less than 1"),
    ({"budget": {"max_accuracy_drop": -1}}, "greater than or equal to 0"),
]


@pytest.mark.parametrize(("document", "told"), PERCENT)
def test_a_percentage_in_the_place_of_a_fraction_is_told_as_one(document: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError) as refusal:
        spec.parse(document)
    assert refusal.value.message.endswith(told)


@pytest.mark.parametrize("text", ["\x00", "a\x00b", "\ud800", "a\udfff"])
@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({"groups": ["*", "TEXT"]}, "groups.1"),
        ({"excluded_groups": ["TEXT"]}, "excluded_groups.0"),
        ({"assumptions": {"neuron": "TEXT"}}, "assumptions.neuron"),
        ({"assumptions": {"TEXT": 1}}, "assumptions"),
        ({"container": "TEXT"}, "container"),
        ({"policy": "TEXT"}, "policies"),
        ({"policy_params": {"TEXT": 1}}, "policy_params"),
        ({"policy_params": {"name": "TEXT"}}, "policy_params.name"),
        ({"policy_params": {"names": ["TEXT"]}}, "policy_params.names"),
        ({"criterion": "TEXT"}, "criteria"),
        ({"device": "TEXT"}, "device"),
        ({"TEXT": 1}, "spec"),
    ],
)
def test_what_no_database_keeps_is_no_text_of_a_spec(document: dict[str, Any], named: str, text: str) -> None:
    meant = json.loads(json.dumps({"budget": FLOOR, **document}).replace("TEXT", json.dumps(text)[1:-1]))
    with pytest.raises(SpecError, match="spec is wrong") as refusal:
        spec.parse(meant)
    assert named in refusal.value.message


def test_files_are_yaml_or_json_and_options_override_them(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("budget: {max_accuracy_drop: 0.05, min_memory_saving: 0.2}\nseed: 3\n")
    (tmp_path / "b.json").write_text(json.dumps({"budget": FLOOR}))
    found = spec_document(spec=tmp_path / "a.yaml", max_accuracy_drop=0.01, rates="0.5, 0.2", heads=4)
    assert found["budget"] == {"max_accuracy_drop": 0.01, "min_memory_saving": 0.2}
    assert (found["seed"], found["rates"], found["assumptions"]) == (3, [0.5, 0.2], {"num_heads": 4})
    assert spec_document(spec=tmp_path / "b.json") == {"budget": FLOOR}


@pytest.mark.parametrize(
    "text",
    [
        "", "- a list", "a: [", "\x00", "!!python/object/apply:os.system [ls]", "[" * 5000,
        f"seed: {'1' * 5000}", "rates: !!set {0.3}", "policy: !!binary cHJpb3JpdGl6ZWQ=",
        "seed: !!timestamp 2020-13-45",
    ],
)  # fmt: skip
def test_files_that_are_no_spec_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(text)
    with pytest.raises(SpecError, match=r"spec\.yaml"):
        spec.read_document(tmp_path / "spec.yaml")


@pytest.mark.parametrize("date", ["2020-13-45", "2020-01-02"])
def test_what_looks_like_a_date_is_text(date: str, tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(f"seed: {date}")
    assert spec.read_document(tmp_path / "spec.yaml") == {"seed": date}


def test_parameters_of_a_policy_are_its_own(tmp_path: Path) -> None:
    with documented("policies", "gentle", tmp_path):
        found = spec.parse({"budget": FLOOR, "policy": "gentle", "policy_params": {"rounds": 3}})
        assert found.policy_params == {"rounds": 3}
        assert spec.parse(json.loads(found.model_dump_json())) == found
        wrong: list[tuple[str, JsonValue]] = [("rounds", 0), ("round", 1)]
        for name, value in wrong:
            with pytest.raises(SpecError, match=f"wrong: policy_params.{name}: [^;]*$"):
                spec.parse({"budget": FLOOR, "policy": "gentle", "policy_params": {name: value}})


def test_a_spec_without_parameters_is_written_as_it_was_before_there_were_any() -> None:
    found = spec.parse({"budget": FLOOR, "policy_params": {}})
    assert "policy_params" not in found.model_dump(mode="json")
    assert "policy_params" not in json.loads(found.model_dump_json())


def test_parameters_of_the_command_line_are_values_and_lists() -> None:
    found = spec_document(max_accuracy_drop=0.1, policy_param=["rounds=3", "rates=0.1,0.25", "order=size", "fast=true"])
    assert found["policy_params"] == {"rounds": 3, "rates": [0.1, 0.25], "order": "size", "fast": True}
    with pytest.raises(SpecError, match="--policy-param rounds: write NAME=VALUE"):
        spec_document(max_accuracy_drop=0.1, policy_param=["rounds"])


def test_assumptions_of_the_command_line_are_values() -> None:
    found = reading(time_steps=8, assume=["image_size=64", "ratio=0.5", "dvs_mode=true", "name=x"]).assumptions
    assert found == {"time_steps": 8, "image_size": 64, "ratio": 0.5, "dvs_mode": True, "name": "x"}
    with pytest.raises(SpecError, match="NAME=VALUE"):
        reading(assume=["image_size"])


def test_every_field_that_is_wrong_is_named() -> None:
    with pytest.raises(SpecError) as refusal:
        spec.parse({"budget": {"max_accuracy_drop": 2}, "seed": "x", "colour": 1})
    problems = refusal.value.facts["problems"]
    assert isinstance(problems, list)
    assert {problem.split(":")[0] for problem in problems} == {"budget.max_accuracy_drop", "seed", "colour"}


@pytest.mark.parametrize(
    "field", ["max_accuracy_drop", "min_accuracy", "min_memory_saving", "max_parameter_bytes", "max_stored_bytes"]
)
def test_the_published_schema_describes_every_budget(field: str) -> None:
    schema = json.loads((DOCS / "spec.schema.json").read_text())
    assert schema["$defs"]["Budget"]["properties"][field]["description"]


@pytest.mark.parametrize("limit", ["max_accuracy_drop", "min_accuracy", "min_memory_saving"])
def test_a_limit_of_the_whole_is_no_limit(limit: str) -> None:
    spec.parse({"budget": {limit: 0.99}})
    with pytest.raises(SpecError, match=limit):
        spec.parse({"budget": {limit: 1.0}})


@pytest.mark.parametrize(
    ("given", "share", "is_timed"),
    [
        ({}, 0.5, False),
        ({"epochs": 3}, 0.5, False),
        ({"seconds": 60}, 1.0, True),
        ({"recover_to": 0.9}, 1.0, True),
        ({"seconds": 60, "epochs": 3}, 0.5, True),
        ({"seconds": 60, "distillation": 0.25}, 0.25, True),
        ({"epochs": 3, "distillation": 1.0}, 1.0, False),
    ],
)
def test_by_time_the_original_teaches_alone_unless_labels_are_asked_for(
    given: dict[str, Any], share: float, is_timed: bool
) -> None:
    found = spec.parse({"budget": FLOOR, "fine_tuning": given}).fine_tuning
    assert (found.distillation, found.is_timed, found.has_labels) == (share, is_timed, share < 1)
    assert found.is_asked == bool(given)
    kept = found.model_dump(mode="json")
    assert {"seconds", "recover_to", "layer_rates"} & kept.keys() == {"seconds", "recover_to"} & given.keys()
    assert spec.parse({"budget": FLOOR, "fine_tuning": kept}).fine_tuning == found
