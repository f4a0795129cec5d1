"""What is told of a checkpoint lets others compute what pruning saves, without the checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest

from primesvt_client.facts import CheckpointFacts
from primesvt_core.intake.inspect import Inspection, inspect
from primesvt_core.method.limits import chosen_groups
from primesvt_core.preflight import Inputs, preflight
from primesvt_core.pruning.groups import kept_count, memory_bytes, pruned_shapes
from primesvt_core.spec import parse

DIGITS = Path(__file__).resolve().parents[3] / "examples" / "spikformer-digits.pth.tar"


@pytest.fixture(scope="module")
def inspection() -> Inspection:
    return inspect(DIGITS)


@pytest.mark.parametrize(
    "limits",
    [{}, {"rates": [0.3]}, {"excluded_groups": ["embedding"], "max_rates": {"block.*": 0.6}, "channel_multiple": 8}],
)
def test_the_largest_saving_is_that_of_the_pruned_shapes(inspection: Inspection, limits: dict[str, object]) -> None:
    spec = parse({"budget": {"max_accuracy_drop": 0.5}, **limits})  # type: ignore[dict-item]
    told = CheckpointFacts.model_validate_json(inspection.facts().model_dump_json())
    found = preflight(spec, Inputs(checkpoint_name="m", checkpoint=told, data_name="d", data=None))
    family, config, shapes = inspection.family, inspection.config, inspection.shapes
    permitted = chosen_groups(family.groups(config), spec)
    left = pruned_shapes(shapes, permitted, {group.name: kept_count(group, spec.rates[-1]) for group in permitted})
    unused = family.unused(config)
    assert found.max_memory_saving == pytest.approx(1 - memory_bytes(left, unused) / memory_bytes(shapes, unused))
    assert found.parameter_bytes == memory_bytes(shapes, unused)


def test_it_says_how_classes_are_numbered_and_that_nothing_is_asked(inspection: Inspection) -> None:
    told = inspection.facts()
    assert (told.class_rule, told.questions) == ("natural", {})
