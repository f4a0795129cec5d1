"""The form of a spec: what people type, and the spec that it means."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from app.web import form_fields, forms
from primesvt_client.presets import PRESETS, resolved
from primesvt_core import spec
from tests.support.plugins import documented


def test_a_form_and_its_spec_say_the_same() -> None:
    typed = {
        "max_accuracy_drop": "2,5", "min_memory_saving": "30", "max_parameter_mebibytes": "12.5", "rates": "10; 50",
        "fine_tuning_epochs": "3", "fine_tuning_seconds": "90", "recover_to": "91.5", "learning_rate": "0.001",
        "excluded_groups": "embedding, block.*.attn.*",
        "confidence": "90", "seed": "5", "policy": "prioritized", "time_steps": "4",
    }  # fmt: skip
    reading = forms.read(typed)
    assert not reading.errors
    parsed = spec.parse(reading.spec)
    assert parsed.budget.max_parameter_bytes == 13_107_200
    assert parsed.rates == (0.1, 0.5)
    assert (parsed.fine_tuning.seconds, parsed.fine_tuning.recover_to) == (90.0, 0.915)
    again = forms.read(forms.values_of(parsed.model_dump(mode="json", exclude_unset=True)))
    assert not again.errors
    assert spec.parse(again.spec) == parsed


def test_what_is_left_empty_is_the_presets() -> None:
    reading = forms.read({"min_accuracy": "50", "preset": "paper", "policy": "", "criterion": "", "repair": ""})
    assert (reading.errors, reading.spec) == ({}, {"budget": {"min_accuracy": 0.5}, "preset": "paper"})
    by_preset = [entry for entry in form_fields.FIELDS if entry.by_preset]
    assert {"policy", "criterion", "repair"} <= {entry.name for entry in by_preset}
    for entry in by_preset:
        assert entry.placeholder == ""
        for name, preset in PRESETS.items():
            assert entry.name == "rates" or f"{preset[entry.name]} ({name})" in entry.hint


def test_weights_that_nobody_chose_are_stored_as_the_originals_are() -> None:
    [entry] = [entry for entry in form_fields.FIELDS if entry.name == "weights"]
    assert (entry.nothing, entry.placeholder) == ("As the original's", "")
    assert entry.choices == ("float32", "float16", "int8")
    reading = forms.read({"min_accuracy": "50", "preset": "paper", "weights": ""})
    assert "weights" not in reading.spec


@pytest.mark.parametrize("preset", PRESETS)
def test_a_similar_job_leaves_to_its_preset_what_that_set(preset: str) -> None:
    """So that another preset can be chosen, and changes all of it."""
    kept = resolved({"budget": {"min_accuracy": 0.5}, "preset": preset, "splits": {"search_images": 7}})
    assert forms.values_of(kept) == {"min_accuracy": "50", "preset": preset, "search_images": "7"}
    other = forms.values_of({**kept, "criterion": "another"})
    assert other["criterion"] == "another"


@pytest.mark.parametrize(
    ("typed", "order"),
    [
        ("plain", "plain"),
        ("dog, hot dog ,cat", ("dog", "hot dog", "cat")),
        ('["tench, Tinca", "cat"]', ("tench, Tinca", "cat")),
        ("cat", ("cat",)),
    ],
)
def test_an_order_of_classes_is_typed_and_shown_again(typed: str, order: object) -> None:
    reading = forms.read({"min_accuracy": "50", "class_order": typed, "allow_fewer_classes": "true"})
    assert not reading.errors
    parsed = spec.parse(reading.spec)
    assert (parsed.class_order, parsed.allow_fewer_classes) == (order, True)
    again = forms.read(forms.values_of(parsed.model_dump(mode="json", exclude_unset=True)))
    assert spec.parse(again.spec) == parsed


@pytest.mark.parametrize("typed", ["[cat", "[1, 2]", "cat, cat", ","])
def test_an_order_of_classes_that_is_none_is_refused_in_its_place(typed: str) -> None:
    reading = forms.read({"min_accuracy": "50", "class_order": typed})
    assert [*reading.errors] == ["class_order"]


def test_limits_are_typed_in_percent() -> None:
    typed = {"min_accuracy": "50", "preset": "paper", "max_rates": "embedding=25; block.0.*=12.5; stem.*=0",
             "channel_multiple": "8", "max_macs": "1000000", "max_stored_mebibytes": "1.5",
             "weights": "int8"}  # fmt: skip
    reading = forms.read(typed)
    parsed = spec.parse(reading.spec)
    assert parsed.max_rates == {"embedding": 0.25, "block.0.*": 0.125, "stem.*": 0.0}
    assert (parsed.channel_multiple, parsed.budget.max_macs) == (8, 1_000_000)
    assert (parsed.weights, parsed.budget.max_stored_bytes) == ("int8", 1_572_864)
    assert forms.values_of(reading.spec) == typed
    wrong = forms.read(typed | {"max_rates": "embedding"})
    assert "NAME=VALUE with numbers of percent" in wrong.errors["max_rates"]
    assert forms.read(typed | {"max_rates": "embedding=100"}).errors.keys() == {"max_rates"}


def test_inference_memory_is_typed_in_mebibytes_and_operations_as_they_are() -> None:
    typed = {"max_inference_mebibytes": "1.5", "max_synaptic_operations": "2000000", "preset": "deep"}
    reading = forms.read(typed)
    parsed = spec.parse(reading.spec)
    assert (parsed.budget.max_inference_bytes, parsed.budget.max_synaptic_operations) == (3 << 19, 2_000_000)
    assert forms.values_of(reading.spec) == typed
    before = spec.parse({"budget": {"min_accuracy": 0.5}}).budget.model_dump()
    assert not {"max_inference_bytes", "max_synaptic_operations"} & before.keys()


def test_how_pixels_are_read_is_typed_as_on_the_command_line() -> None:
    typed = {"min_accuracy": "50", "preset": "paper", "value_range": "-1.0:1.0", "mean": "0.5, 0.4", "resize": "36"}
    reading = forms.read(typed)
    parsed = spec.parse(reading.spec)
    assert (parsed.value_range, parsed.preprocessing.mean, parsed.preprocessing.resize) == ((-1, 1), (0.5, 0.4), 36)
    assert forms.values_of(reading.spec) == typed
    assert "LOW:HIGH" in forms.read(typed | {"value_range": "0-255"}).errors["value_range"]
    assert "below" in forms.read(typed | {"value_range": "1:0"}).errors["value_range"]


@pytest.mark.parametrize("hundredths", [0.29, 1.1, 2.9, 5.7, 28.9])
def test_hundredths_are_the_fraction_that_people_mean(hundredths: float) -> None:
    found = forms.read({"max_accuracy_drop": str(hundredths)})
    assert spec.parse(found.spec).budget.max_accuracy_drop == float(Fraction(str(hundredths)) / 100)


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("max_accuracy_drop", "three"), ("max_accuracy_drop", "nan"), ("max_accuracy_drop", "-1"),
        ("min_memory_saving", "100"), ("max_parameter_mebibytes", "inf"), ("max_parameter_mebibytes", "0"),
        ("fine_tuning_epochs", "1.5"), ("learning_rate", "inf"), ("rates", "0"), ("rates", ","), ("seed", "9" * 30),
        ("policy", "magic"), ("time_steps", "x"), ("search_images", "0"), ("seed", "9" * 5000),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_blamed_on_its_field(name: str, typed: str) -> None:
    errors = forms.read({"min_memory_saving": "25", name: typed}).errors
    assert errors
    assert name in errors or (name == "policy" and "magic" in errors[""])


def test_field_limits_are_those_of_the_spec() -> None:
    for entry in form_fields.FIELDS:
        assert entry.low is None or math.isfinite(entry.low)
        assert entry.is_number or entry.low is None


@pytest.fixture
def gentle(tmp_path: Path) -> Iterator[None]:
    """A policy with parameters, the one of docs/plugins.md."""
    with documented("policies", "gentle", tmp_path):
        yield


@pytest.mark.usefixtures("gentle")
def test_every_policys_parameters_are_inputs() -> None:
    [rounds] = [entry for entry in form_fields.policy_fields() if entry.policy == "gentle"]
    assert (rounds.name, rounds.path, rounds.low) == ("gentle.rounds", "policy_params.rounds", 1)
    assert "gentle" in rounds.label
    assert rounds.hint


@pytest.mark.usefixtures("gentle")
def test_parameters_of_the_chosen_policy_count() -> None:
    typed = {"min_accuracy": "50", "policy": "gentle", "gentle.rounds": "3"}
    reading = forms.read(typed)
    assert (reading.errors, reading.spec["policy_params"]) == ({}, {"rounds": 3})
    assert forms.values_of(reading.spec) == typed
    assert "policy_params" not in forms.read(typed | {"policy": "prioritized"}).spec
    for wrong in ("0", "x"):
        assert forms.read(typed | {"gentle.rounds": wrong}).errors.keys() == {"gentle.rounds"}


@pytest.mark.parametrize("others", [{"image_size": 64}, {"ratio": 2.5, "num_heads": "3,6,6"}, {"dvs_mode": True}])
def test_assumptions_without_an_input_of_their_own_are_kept(others: dict[str, object]) -> None:
    document = {"budget": {"min_accuracy": 0.5}, "assumptions": {"time_steps": 4, **others}}
    values = forms.values_of(document)
    assert values["time_steps"] == "4"
    assert forms.read(values).spec == document
    assert forms.read({"min_accuracy": "50", "assumptions": "ratio"}).errors.keys() == {"assumptions"}
