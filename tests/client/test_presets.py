"""Presets: defaults that everything given overrides, and what a spec that was kept means."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import JsonValue

from primesvt_client.errors import SpecError
from primesvt_client.presets import DEFAULT_PRESET, PRESETS, given, kept, resolved
from primesvt_client.spec import CompressionSpec, SplitSizes, parse_as

BUDGET: dict[str, JsonValue] = {"max_accuracy_drop": 0.03}
MEANT = {
    "paper": ("prioritized", "l2", "none", 256, None),
    "deep": ("allocate", "reconstruction", "sequential", 1000, 256),
}
"""Policy, criterion, repair, calibration images and how many of them are drawn first."""


def parse(**document: Any) -> CompressionSpec:
    return parse_as(CompressionSpec, {"budget": BUDGET, **document})


def meant(spec: CompressionSpec) -> tuple[str, str, str, int, int | None]:
    splits = spec.splits
    return spec.policy, spec.criterion, spec.repair, splits.calibration_images, splits.calibration_first


@pytest.mark.parametrize("preset", MEANT)
def test_a_preset_sets_what_is_not_given(preset: str) -> None:
    found = parse(preset=preset, splits={"search_images": 7})
    assert (meant(found), found.splits.search_images) == (MEANT[preset], 7)
    python = CompressionSpec.model_validate({"budget": BUDGET, "preset": preset, "splits": SplitSizes(search_images=7)})
    assert python == found


@pytest.mark.parametrize("preset", MEANT)
def test_every_given_field_overrides_it(preset: str) -> None:
    other = {"policy": "mine", "criterion": "l1", "repair": "batch_norm"}
    found = parse(preset=preset, **other, splits={"calibration_images": 9})
    assert meant(found)[:4] == ("mine", "l1", "batch_norm", 9)


@pytest.mark.parametrize("preset", MEANT)
def test_a_resolved_document_says_all_and_means_the_same_whatever_the_default_is(preset: str) -> None:
    document = parse(preset=preset).model_dump(mode="json", exclude_unset=True)
    assert document["preset"] == preset
    assert {"policy", "criterion", "repair", "splits"} <= document.keys()
    assert parse_as(CompressionSpec, document) == parse(preset=preset)
    assert kept(document) == resolved(document) == document


def test_a_new_spec_has_the_default_preset_and_one_that_was_kept_is_the_papers() -> None:
    assert parse().preset == DEFAULT_PRESET
    old = {"budget": BUDGET, "seed": 3, "splits": {"search_images": 7}}
    found = parse_as(CompressionSpec, kept(old))
    assert (found.preset, found.seed, found.splits.search_images) == ("paper", 3, 7)
    assert meant(found) == MEANT["paper"]
    assert old == {"budget": BUDGET, "seed": 3, "splits": {"search_images": 7}}


def test_a_kept_spec_with_a_preset_keeps_it() -> None:
    assert meant(parse_as(CompressionSpec, kept({"budget": BUDGET, "preset": "deep"}))) == MEANT["deep"]


@pytest.mark.parametrize("preset", MEANT)
def test_what_a_preset_sets_anyway_is_not_given(preset: str) -> None:
    document = {"budget": BUDGET, "preset": preset, "criterion": "l1", "splits": {"search_images": 7}}
    assert given(resolved(document)) == document


@pytest.mark.parametrize("preset", ["shallow", 3, None, ["deep"]])
def test_another_preset_is_refused_by_name(preset: object) -> None:
    assert kept({"preset": preset}) == given({"preset": preset}) == {"preset": preset}
    with pytest.raises(SpecError, match="preset"):
        parse(preset=preset)


def test_both_presets_set_the_same_fields() -> None:
    assert PRESETS.keys() == MEANT.keys()
    assert len({frozenset(fields) for fields in PRESETS.values()}) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [("max_rates", {"embedding": 1.0}), ("max_rates", {"embedding": -0.1}), ("max_rates", {"embedding": "much"}),
     ("channel_multiple", 0), ("channel_multiple", 2.5)],
)  # fmt: skip
def test_wrong_limits_are_named(field: str, value: object) -> None:
    with pytest.raises(SpecError, match=field):
        parse(**{field: value})
